# SPDX-License-Identifier: MIT
"""A protocol's description in XDR (RFC 4506 section 6), read into objects.

For tools/xdrgen.py, which makes C of them. Not all of XDR: what the
protocol's standards use, and lines that begin with % for the generator.
"""
import re

SCALARS = {
    # XDR: (C type, cursor function, bytes)
    "int": ("int32_t", "i32", 4),
    "unsigned int": ("uint32_t", "u32", 4),
    "hyper": ("int64_t", "i64", 8),
    "unsigned hyper": ("uint64_t", "u64", 8),
    "bool": ("bool", "bool", 4),
}
TOKEN = re.compile(r"""
    (?P<comment>/\*.*?\*/) | (?P<directive>^%[^\n]*) | (?P<space>\s+)
  | (?P<word>[A-Za-z_][A-Za-z0-9_]*)
  | (?P<number>-?(?:0[xX][0-9a-fA-F]+|[0-9]+))
  | (?P<punct>[{}()\[\]<>;:,=*])
""", re.X | re.S | re.M)


# ---- the description ----

class Decl:
    """One declaration: a member, an arm or the right side of a typedef.

    shape: plain, fixed (size), var (size or None) or optional
    """

    def __init__(self, kind, name, shape="plain", size=None):
        self.kind = kind
        self.name = name
        self.shape = shape
        self.size = size

    @property
    def is_bytes(self):
        return self.kind in ("opaque", "string")

    @property
    def is_array(self):
        return self.shape == "var" and not self.is_bytes

    @property
    def limit(self):
        return self.size if self.size else "UINT32_MAX"


class Const:
    def __init__(self, name, value):
        self.name, self.value = name, value


class Enum:
    def __init__(self, name, values):
        self.name, self.values = name, values
        self.open = False


class Struct:
    def __init__(self, name, members):
        self.name, self.members = name, members


class Union:
    def __init__(self, name, disc, arms, default):
        self.name, self.disc = name, disc
        self.arms = arms          # [(labels, Decl or None)]
        self.default = default    # Decl, None = void, False = no such arm
        self.operations = False


class Typedef:
    def __init__(self, name, decl):
        self.name, self.decl = name, decl


class Extern:
    def __init__(self, name, header, size, prefix, codec):
        self.name, self.header, self.size = name, header, size
        self.prefix, self.codec = prefix, codec


class Description:
    def __init__(self):
        self.items = []           # definitions and comments, in order
        self.types = {}
        self.consts = {}
        self.names = []           # (enum, function, prefix to drop)
        self.flags = set()        # ("open", enum), ("operations", union)

    def definitions(self, *kinds):
        return [i for i in self.items if isinstance(i, kinds)]


# ---- reading it ----

class ParseError(Exception):
    pass


def tokens_of(path):
    text = path.read_text()
    at = 0
    while at < len(text):
        match = TOKEN.match(text, at)
        if not match:
            line = text.count("\n", 0, at) + 1
            raise ParseError(f"{path}:{line}: cannot read {text[at:at+20]!r}")
        at = match.end()
        if match.lastgroup != "space":
            line = text.count("\n", 0, match.start()) + 1
            yield match.lastgroup, match.group(), f"{path}:{line}"


class Parser:
    def __init__(self, path, description):
        self.tokens = list(tokens_of(path))
        self.at = 0
        self.out = description
        self.path = path

    def fail(self, message):
        at = min(self.at, len(self.tokens) - 1)
        raise ParseError(f"{self.tokens[at][2]}: {message}")

    def peek(self):
        while self.at < len(self.tokens) and \
                self.tokens[self.at][0] == "comment":
            self.at += 1
        if self.at == len(self.tokens):
            return None
        return self.tokens[self.at][1]

    def next(self):
        text = self.peek()
        if text is None:
            self.fail("unexpected end")
        self.at += 1
        return text

    def expect(self, text):
        got = self.next()
        if got != text:
            self.at -= 1
            self.fail(f"{text!r} expected, not {got!r}")

    def word(self):
        self.peek()
        if self.tokens[self.at][0] != "word":
            self.fail("a name expected")
        return self.next()

    def accept(self, text):
        if self.peek() != text:
            return False
        self.at += 1
        return True

    def parse(self):
        makers = {"const": self.const, "enum": self.enum,
                  "struct": self.struct, "union": self.union,
                  "typedef": self.typedef}
        first = True
        while self.at < len(self.tokens):
            group, text, _ = self.tokens[self.at]
            self.at += 1
            if group == "comment":
                # what heads the file speaks of the file, not of C
                if not first and not text.startswith("/* SPDX"):
                    self.out.items.append(text)
                first = text.startswith("/* SPDX")
            elif group == "directive":
                self.directive(text[1:].split())
            elif text in makers:
                makers[text]()
                self.expect(";")
            else:
                self.at -= 1
                self.fail("a definition expected")

    def add(self, item):
        if item.name in self.out.types:
            self.fail(f"{item.name} is there already")
        self.out.types[item.name] = item
        self.out.items.append(item)

    def directive(self, words):
        if words[0] == "extern":
            prefix, codec = (words + [None, None])[4:6]
            self.add(Extern(words[1], words[2], int(words[3]), prefix, codec))
        elif words[0] == "names":
            self.out.names.append(words[1:])
        elif words[0] in ("open", "operations"):
            self.out.flags.add(tuple(words))
        else:
            self.fail(f"unknown directive {words[0]}")

    def const(self):
        name = self.word()
        self.expect("=")
        item = Const(name, self.next())
        self.out.consts[name] = item
        self.out.items.append(item)

    def enum(self):
        name = self.word()
        values = []
        self.expect("{")
        while True:
            label = self.word()
            self.expect("=")
            values.append((label, self.next()))
            if not self.accept(","):
                break
        self.expect("}")
        item = Enum(name, values)
        item.open = ("open", name) in self.out.flags
        self.add(item)

    def struct(self):
        name = self.word()
        members = []
        self.expect("{")
        while not self.accept("}"):
            members.append(self.decl())
            self.expect(";")
        self.add(Struct(name, members))

    def union(self):
        name = self.word()
        self.expect("switch")
        self.expect("(")
        disc = self.decl()
        self.expect(")")
        self.expect("{")
        arms, default = [], False
        while not self.accept("}"):
            labels = []
            while self.accept("case"):
                labels.append(self.next())
                self.expect(":")
            if not labels:
                self.expect("default")
                self.expect(":")
                default = self.decl()
            else:
                arms.append((labels, self.decl()))
            self.expect(";")
        item = Union(name, disc, arms, default)
        item.operations = ("operations", name) in self.out.flags
        self.add(item)

    def typedef(self):
        decl = self.decl()
        self.add(Typedef(decl.name, decl))

    def decl(self):
        """A declaration; None for void."""
        kind = self.word()
        if kind == "void":
            return None
        if kind == "unsigned":
            kind += " " + self.word()
        if kind not in SCALARS and kind not in ("opaque", "string") and \
                kind not in self.out.types and self.peek() != "*":
            self.fail(f"unknown type {kind}")
        if self.accept("*"):
            return Decl(kind, self.word(), "optional")
        name = self.word()
        if self.accept("["):
            size = self.next()
            self.expect("]")
            return Decl(kind, name, "fixed", size)
        if self.accept("<"):
            size = None if self.peek() == ">" else self.next()
            self.expect(">")
            return Decl(kind, name, "var", size)
        return Decl(kind, name)


def read(paths):
    description = Description()
    for path in paths:
        Parser(path, description).parse()
    return description
