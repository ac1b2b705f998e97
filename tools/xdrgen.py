#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes C out of a description in XDR (RFC 4506 section 6).

    xdrgen.py --prefix nfs4 --types proto/nfs4.h --codec wire/nfs4_xdr.h
              -o FILE INPUT.x... --make WHAT

WHAT is one of
    types    the C types and constants
    names    functions from an enum's value to its name
    codec-h  declarations: <prefix>_get_T() and <prefix>_put_T() of every type
    codec-c  their definitions
    random-h, random-c
             tests only: <prefix>_random_T() and a table of all types

The inputs are read in order as one description. Lines that begin with % are
for this program; src/proto/nfs4.x explains them.
"""
import argparse
import pathlib
import re
import sys
import textwrap

sys.dont_write_bytecode = True  # no __pycache__ in the source tree
from xdrdesc import (  # noqa: E402
    SCALARS, Enum, Extern, ParseError, Struct, Typedef, Union, read)


class Generator:
    def __init__(self, description, args):
        self.d = description
        self.args = args
        self.lines = []

    def put(self, *lines):
        self.lines.extend(lines)

    def head(self, what):
        names = textwrap.wrap(", ".join(p.name for p in self.args.inputs),
                              initial_indent=" * ", subsequent_indent=" * ")
        self.put("/* SPDX-License-Identifier: MIT */", "/*",
                 f" * {what}. Made by tools/xdrgen.py;",
                 " * change it or its sources:", *names, " */")

    def guard(self, what):
        name = re.sub(r"\W", "_", what).upper()
        self.put(f"#ifndef {name}", f"#define {name}", "")

    def number(self, text):
        """The value of a literal or of a constant's name."""
        if text in self.d.consts:
            text = self.d.consts[text].value
        return int(text, 0)

    def is_list(self, kind):
        """A struct whose last member points to the next one."""
        item = self.d.types.get(kind)
        return isinstance(item, Struct) and \
            item.members[-1].shape == "optional" and \
            item.members[-1].kind == kind

    def codec(self, verb, kind):
        """The function that gets or puts a value of type kind."""
        if kind in SCALARS:
            return f"xdr_{verb}_{SCALARS[kind][1]}"
        item = self.d.types[kind]
        prefix = getattr(item, "prefix", None) or self.args.prefix
        return f"{prefix}_{verb}_{kind}"

    def wire_min(self, kind):
        """The fewest bytes a value of this type takes."""
        if kind in SCALARS:
            return SCALARS[kind][2]
        item = self.d.types[kind]
        if isinstance(item, Extern):
            return item.size
        if isinstance(item, Enum):
            return 4
        if isinstance(item, Typedef):
            return self.decl_min(item.decl)
        if isinstance(item, Struct):
            return sum(self.decl_min(m) for m in item.members)
        arms = [a for _, a in item.arms]
        if item.default is not False:
            arms.append(item.default)
        if item.operations:
            arms.append(None)
        return 4 + min(self.decl_min(a) if a else 0 for a in arms)

    def decl_min(self, decl):
        if decl.shape in ("var", "optional"):
            return 4
        if decl.shape == "fixed":
            return (self.number(decl.size) + 3) // 4 * 4
        return self.wire_min(decl.kind)

    # ---- types ----

    def types(self):
        self.head("Types and constants of the protocol")
        self.guard(self.args.types)
        headers = {"proto/opaque.h"}
        headers |= {e.header for e in self.d.definitions(Extern)}
        self.put("#include <stdbool.h>", "#include <stdint.h>", "")
        self.put(*(f'#include "{h}"' for h in sorted(headers)), "")
        for item in self.d.items:
            if isinstance(item, str):
                self.put(item, "")
            elif not isinstance(item, Extern):
                getattr(self, "type_" + type(item).__name__.lower())(item)
        for enum, function, _ in self.d.names:
            self.put(f"/* What the standard calls a {enum}; never NULL. */",
                     f"const char *{function}(uint32_t value);", "")
        self.put("#endif")

    def type_const(self, item):
        value = item.value
        if self.number(value) > 0xffffffff:
            value = f"UINT64_C({value})"
        self.put(f"#define {item.name} {value}")

    def type_enum(self, item):
        self.put("", f"typedef enum {item.name} {{")
        self.put(*(f"\t{label} = {value}," for label, value in item.values))
        self.put(f"}} {item.name};", "")

    def type_typedef(self, item):
        line = f"typedef {self.member(item.decl)}"
        self.put(line.replace("\n\t", "\n"), "")

    def type_struct(self, item):
        self.put(f"typedef struct {item.name} {{")
        self.put(*(f"\t{self.member(m)}" for m in item.members))
        self.put(f"}} {item.name};", "")

    def type_union(self, item):
        arms = [a for _, a in item.arms if a]
        if item.default:
            arms.append(item.default)
        self.put(f"typedef struct {item.name} {{",
                 f"\t{self.member(item.disc)}")
        if item.operations:
            self.put("\tbool unknown; /* no operation we know: no arm */")
        if arms:
            self.put("\tunion {")
            self.put(*(f"\t\t{self.member(a)}" for a in arms))
            self.put("\t};")
        self.put(f"}} {item.name};", "")

    def member(self, decl):
        kind = SCALARS[decl.kind][0] if decl.kind in SCALARS else decl.kind
        if decl.is_bytes and decl.shape == "fixed":
            return f"uint8_t {decl.name}[{decl.size}];"
        if decl.is_bytes:
            return f"struct xdr_opaque {decl.name};"
        if decl.shape == "optional":
            return f"struct {kind} *{decl.name};"
        if decl.shape == "var":
            return "struct {\n\t\tuint32_t count;\n" \
                f"\t\t{kind} *items;\n\t}} {decl.name};"
        if decl.shape == "fixed":
            sys.exit(f"{decl.name}: arrays of fixed size are not supported")
        return f"{kind} {decl.name};"

    # ---- names ----

    def names(self):
        self.head("Names of the protocol's numbers")
        self.put(f'#include "{self.args.types}"', "")
        for enum, function, prefix in self.d.names:
            self.put(f"const char *{function}(uint32_t value)", "{",
                     "\tswitch (value) {")
            for label, _ in self.d.types[enum].values:
                name = label[len(prefix):] if label.startswith(prefix) \
                    else label
                self.put(f"\tcase {label}:", f'\t\treturn "{name}";')
            self.put("\tdefault:", '\t\treturn "UNKNOWN";', "\t}", "}", "")

    # ---- codec ----

    def codec_types(self):
        return [i for i in self.d.items
                if isinstance(i, (Enum, Struct, Union, Typedef))]

    def codec_h(self):
        self.head("Reading and writing every type of the protocol")
        self.guard(self.args.codec)
        headers = {self.args.types, "wire/xdr.h"}
        headers |= {e.codec or "wire/xdr_bitmap.h"
                    for e in self.d.definitions(Extern)}
        self.put(*(f'#include "{h}"' for h in sorted(headers)), "")
        for item in self.codec_types():
            self.declare(item)
        self.put("#endif")

    def parameter(self, verb, name):
        return f"const {name} *v" if verb == "put" else f"{name} *v"

    def signature(self, verb, name, suffix="", scope="", arg=None):
        prefix = "" if scope == "static " else self.args.prefix + "_"
        arg = arg or self.parameter(verb, name)
        line = f"{scope}bool {prefix}{verb}_{name}{suffix}("
        whole = f"{line}struct xdr *x, {arg})"
        return [whole] if len(whole) <= 79 else \
            [line, f"\tstruct xdr *x, {arg})"]

    def is_alias(self, item):
        return isinstance(item, Typedef) and not item.decl.is_array

    def declare(self, item):
        for verb in ("get", "put"):
            if self.is_alias(item):
                self.put(*self.signature(verb, item.name,
                                         scope="static inline ")[:-1])
                self.inline_alias(verb, item)
                continue
            lines = self.signature(verb, item.name)
            self.put(*lines[:-1], lines[-1] + ";")
            if getattr(item, "operations", False):
                lines = self.signature(verb, item.name, "_arm")
                self.put(*lines[:-1], lines[-1] + ";")
        self.put("")

    def inline_alias(self, verb, item):
        value = "*v" if verb == "put" and item.decl.kind in SCALARS else "v"
        bytes_value = "*v" if item.decl.shape == "fixed" else "v"
        self.put(*self.signature(verb, item.name, scope="static inline ")[-1:],
                 "{",
                 "\treturn " + self.step(verb, item.decl, value, bytes_value,
                                         None) + ";",
                 "}")

    def step(self, verb, decl, value, bytes_value, owner):
        """The expression that gets or puts one declaration."""
        if decl.is_bytes and decl.shape == "fixed":
            return f"xdr_{verb}_opaque_fixed(x, {bytes_value}, {decl.size})"
        if decl.is_bytes:
            return f"xdr_{verb}_opaque_var(x, {value}, {decl.limit})"
        if decl.shape == "optional":
            return f"{verb}_{decl.kind}_list(x, {value})"
        if decl.shape == "var":
            return f"{verb}_{owner}_{decl.name}(x, v)"
        return f"{self.codec(verb, decl.kind)}(x, {value})"

    def member_step(self, verb, decl, owner):
        name = f"v->{decl.name}"
        value = "&" + name
        if verb == "put" and decl.shape == "plain" and decl.kind in SCALARS:
            value = name
        if verb == "put" and decl.shape == "optional":
            value = name
        return self.step(verb, decl, value, name, owner)

    def codec_c(self):
        self.head("Reading and writing every type of the protocol")
        self.put(f'#include "{self.args.codec}"', "")
        for item in self.codec_types():
            if not self.is_alias(item):
                maker = "define_" + type(item).__name__.lower()
                getattr(self, maker)(item)

    def function(self, signature, *body):
        self.put(*signature, "{", *body, "}", "")

    def define_enum(self, item):
        name = item.name
        body = ["\tuint32_t u;", "", "\txdr_get_u32(x, &u);",
                f"\t*v = ({name})u;"]
        if item.open:
            body.append("\treturn !x->bad;")
        else:
            body.append("\tswitch (u) {")
            seen = set()
            for label, value in item.values:
                if self.number(value) not in seen:
                    body.append(f"\tcase {label}:")
                seen.add(self.number(value))
            body += ["\t\treturn !x->bad;", "\tdefault:",
                     "\t\treturn xdr_fail(x);", "\t}"]
        self.function(self.signature("get", name), *body)
        self.function(self.signature("put", name),
                      "\treturn xdr_put_u32(x, (uint32_t)*v);")

    def define_array(self, decl, owner, suffix, at):
        """get and put of one T<>; at is where it stands in *v."""
        kind = decl.kind
        self.function(
            self.signature("get", owner, suffix, "static "
                           if suffix else ""),
            f"\t{at}.items = xdr_get_array(x,",
            f"\t\t&{at}.count, {decl.limit}, {self.wire_min(kind)},",
            f"\t\tsizeof(*{at}.items));",
            f"\tfor (uint32_t i = 0; i < {at}.count; i++) {{",
            f"\t\tif (!{self.codec('get', kind)}(x, &{at}.items[i]))",
            "\t\t\treturn false;",
            "\t}",
            "\treturn !x->bad;")
        value = f"{at}.items[i]"
        if kind not in SCALARS:
            value = "&" + value
        limit = [] if not decl.size else [
            f"\tif ({at}.count > {decl.limit})", "\t\treturn xdr_fail(x);"]
        self.function(
            self.signature("put", owner, suffix, "static "
                           if suffix else ""),
            *limit,
            f"\txdr_put_u32(x, {at}.count);",
            f"\tfor (uint32_t i = 0; i < {at}.count; i++) {{",
            f"\t\tif (!{self.codec('put', kind)}(x, {value}))",
            "\t\t\treturn false;",
            "\t}",
            "\treturn !x->bad;")

    def define_arrays(self, decls, owner):
        for decl in decls:
            if decl and decl.is_array:
                self.define_array(decl, owner, "_" + decl.name,
                                  "v->" + decl.name)

    def define_typedef(self, item):
        self.define_array(item.decl, item.name, "", "(*v)")

    def define_struct(self, item):
        members = item.members
        self.define_arrays(members, item.name)
        if self.is_list(item.name):
            self.define_list(item)
            return
        for verb in ("get", "put"):
            steps = [self.member_step(verb, m, item.name) for m in members]
            self.function(self.signature(verb, item.name),
                          *self.chain(steps))

    def chain(self, steps):
        lines = [f"\treturn {steps[0]}"]
        for step in steps[1:]:
            lines[-1] += " &&"
            lines.append(f"\t\t{step}")
        lines[-1] += ";"
        return lines

    def define_list(self, item):
        """A linked list is a loop, however long: no recursion."""
        name, link = item.name, item.members[-1].name
        for verb in ("get", "put"):
            steps = [self.member_step(verb, m, name)
                     for m in item.members[:-1]]
            self.function(self.signature(verb, name, "_head", "static "),
                          *self.chain(steps))
        self.function(
            self.signature("get", name, "_list", "static ",
                           f"{name} **list"),
            "\tbool more;",
            "",
            "\t*list = NULL;",
            "\twhile (xdr_get_bool(x, &more) && more) {",
            f"\t\t{name} *e = xdr_alloc(x, sizeof(*e));",
            "",
            f"\t\tif (!e || !get_{name}_head(x, e))",
            "\t\t\treturn false;",
            "\t\t*list = e;",
            f"\t\tlist = &e->{link};",
            "\t}",
            "\treturn !x->bad;")
        self.function(
            self.signature("put", name, "_list", "static ",
                           f"const {name} *e"),
            f"\tfor (; e; e = e->{link}) {{",
            f"\t\tif (!xdr_put_bool(x, true) || !put_{name}_head(x, e))",
            "\t\t\treturn false;",
            "\t}",
            "\treturn xdr_put_bool(x, false);")
        for verb, value in (("get", "&v->" + link), ("put", "v->" + link)):
            self.function(self.signature(verb, name), *self.chain(
                [f"{verb}_{name}_head(x, v)", f"{verb}_{name}_list(x, "
                 f"{value})"]))

    def define_union(self, item):
        decls = [a for _, a in item.arms] + [item.default or None]
        self.define_arrays(decls, item.name)
        for verb in ("get", "put"):
            scope = "" if item.operations else "static "
            self.function(self.signature(verb, item.name, "_arm", scope),
                          *self.arms(verb, item))
            arm = f"{verb}_{item.name}_arm(x, v)"
            if item.operations:
                arm = f"{self.args.prefix}_{arm}"
            self.function(self.signature(verb, item.name), *self.chain(
                [self.member_step(verb, item.disc, item.name), arm]))

    def arms(self, verb, item):
        if item.disc.kind == "bool":
            return self.bool_arms(verb, item)
        lines = [f"\tswitch (v->{item.disc.name}) {{"]
        if item.operations and verb == "get":
            lines.insert(0, "\tv->unknown = false;")
        for labels, arm in item.arms:
            lines += [f"\tcase {label}:" for label in labels]
            lines.append(f"\t\treturn {self.arm_step(verb, arm, item)};")
        lines.append("\tdefault:")
        if item.operations:
            if verb == "get":
                lines.append("\t\tv->unknown = true;")
            lines.append("\t\treturn !x->bad;")
        elif item.default is False:
            lines.append("\t\treturn xdr_fail(x);")
        else:
            lines.append("\t\treturn "
                         f"{self.arm_step(verb, item.default, item)};")
        return lines + ["\t}"]

    def arm_step(self, verb, arm, item):
        return self.member_step(verb, arm, item.name) if arm else "!x->bad"

    def bool_arms(self, verb, item):
        arms = {"TRUE": item.default, "FALSE": item.default}
        arms.update((label, arm) for labels, arm in item.arms
                    for label in labels)
        return [f"\tif (v->{item.disc.name})",
                f"\t\treturn {self.arm_step(verb, arms['TRUE'], item)};",
                f"\treturn {self.arm_step(verb, arms['FALSE'], item)};"]

    # ---- random values, for tests ----

    def random_h(self):
        prefix = self.args.prefix
        self.head("Random values of every type, for tests")
        self.guard(prefix + "_random.h")
        self.put('#include "roundtrip.h"', f'#include "{self.args.codec}"',
                 *sorted({f'#include "{e.prefix}_random.h"' for e in
                          self.d.definitions(Extern) if e.prefix}), "")
        for item in self.codec_types():
            self.put(f"void {prefix}_random_{item.name}(struct random_source *r, "
                     f"{item.name} *v);")
        self.put("", "/* Every type; ends with a NULL name. */",
                 f"extern const struct roundtrip {prefix}_roundtrips[];",
                 "", "#endif")

    def random_c(self):
        prefix = self.args.prefix
        self.head("Random values of every type, for tests")
        self.put(f'#include "{prefix}_random.h"', "")
        for item in self.codec_types():
            self.put(f"void {prefix}_random_{item.name}(struct random_source *r, "
                     f"{item.name} *v)", "{")
            getattr(self, "random_" + type(item).__name__.lower())(item)
            self.put("}", "")
        self.random_table()

    def random_table(self):
        prefix = self.args.prefix
        for item in self.codec_types():
            self.put(f"ROUNDTRIP({prefix}, {item.name})")
        self.put("", f"const struct roundtrip {prefix}_roundtrips[] = {{")
        for item in self.codec_types():
            self.put(f"\tROUNDTRIP_ROW({item.name}),")
        self.put("\t{NULL, 0, NULL, NULL, NULL},", "};")

    def random_enum(self, item):
        labels = ", ".join(label for label, _ in item.values)
        self.put(f"\tstatic const {item.name} all[] = {{{labels}}};", "",
                 f"\t*v = all[random_below(r, {len(item.values)})];")

    def random_typedef(self, item):
        value = "*v" if item.decl.shape == "fixed" else "(*v)"
        self.random_decl(item.decl, value)

    def random_struct(self, item):
        for member in item.members:
            if member.shape == "optional" and member.kind == item.name:
                self.put(f"\tv->{member.name} = NULL;")
            else:
                self.random_decl(member, f"v->{member.name}")

    def random_decl(self, decl, at, indent="\t"):
        if decl.is_bytes and decl.shape == "fixed":
            self.put(f"{indent}random_fill(r, {at}, {decl.size});")
        elif decl.is_bytes:
            self.put(f"{indent}random_opaque(r, &{at}, {decl.limit});")
        elif decl.shape == "optional":
            self.random_list(decl, at, indent)
        elif decl.shape == "var":
            self.put(f"{indent}{at}.items = random_array(r, &{at}.count, "
                     f"{decl.limit}, sizeof(*{at}.items));",
                     f"{indent}for (uint32_t i = 0; i < {at}.count; i++)",
                     f"{indent}\t{self.random_call(decl.kind)}(r, "
                     f"&{at}.items[i]);")
        else:
            self.put(f"{indent}{self.random_call(decl.kind)}(r, &{at});")

    def random_list(self, decl, at, indent):
        link = self.d.types[decl.kind].members[-1].name
        self.put(f"{indent}{at} = NULL;",
                 f"{indent}for (uint64_t n = random_below(r, 4); n; n--) {{",
                 f"{indent}\t{decl.kind} *e = random_alloc(r, sizeof(*e));",
                 f"{indent}\t{self.random_call(decl.kind)}(r, e);",
                 f"{indent}\te->{link} = {at};",
                 f"{indent}\t{at} = e;",
                 f"{indent}}}")

    def random_call(self, kind):
        if kind in SCALARS:
            return f"random_{SCALARS[kind][1]}"
        prefix = getattr(self.d.types[kind], "prefix", None)
        return f"{prefix or self.args.prefix}_random_{kind}"

    def random_union(self, item):
        arms = list(item.arms)
        if item.default is not False:
            arms.append((None, item.default))
        flat = [(label, arm) for labels, arm in arms
                for label in (labels or [None])]
        self.put(f"\tswitch (random_below(r, {len(flat)})) {{")
        for number, (label, arm) in enumerate(flat):
            value = label or self.other_value(item)
            value = {"TRUE": "true", "FALSE": "false"}.get(value, value)
            self.put(f"\tcase {number}:", f"\t\tv->{item.disc.name} = "
                     f"{value};")
            if item.operations:
                self.put("\t\tv->unknown = false;")
            if arm:
                self.random_decl(arm, f"v->{arm.name}", "\t\t")
            self.put("\t\tbreak;")
        self.put("\t}")

    def other_value(self, item):
        """A discriminant that has no arm of its own."""
        used = {label for labels, _ in item.arms for label in labels}
        kind = self.d.types.get(item.disc.kind)
        if item.disc.kind == "bool":
            return "TRUE" if "FALSE" in used else "FALSE"
        if isinstance(kind, Enum):
            left = [label for label, _ in kind.values if label not in used]
            if left:
                return left[0]
        return "1234567"


def main():
    outputs = {"types": Generator.types, "names": Generator.names,
               "codec-h": Generator.codec_h, "codec-c": Generator.codec_c,
               "random-h": Generator.random_h,
               "random-c": Generator.random_c}
    parser = argparse.ArgumentParser(description="C from XDR")
    parser.add_argument("--make", required=True, choices=sorted(outputs))
    parser.add_argument("--prefix", required=True)
    parser.add_argument("--types", required=True)
    parser.add_argument("--codec", required=True)
    parser.add_argument("-o", dest="file", required=True, type=pathlib.Path)
    parser.add_argument("inputs", nargs="+", type=pathlib.Path)
    args = parser.parse_args()
    try:
        generator = Generator(read(args.inputs), args)
    except ParseError as error:
        sys.exit(str(error))
    outputs[args.make](generator)
    text = "\n".join(generator.lines) + "\n"
    text = re.sub(r"(#define.*\n)/\*", r"\1\n/*", text)
    args.file.write_text(re.sub(r"\n{3,}", "\n\n", text))


if __name__ == "__main__":
    main()
