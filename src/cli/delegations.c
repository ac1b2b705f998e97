/* SPDX-License-Identifier: MIT */
/* herald delegations: what clients hold, and why not for long. */
#include "cli/control.h"
#include "cli/render_control.h"
#include "cli/verbs.h"

static const char help[] =
	"Usage: herald delegations [OPTION]...\n"
	"The delegations that clients of the heraldd of this host hold, a "
	"line\n"
	"each: what it tells them of (KINDS), how many changes wait for that\n"
	"(QUEUED), and why it is being recalled.\n"
	"\n"
	"      --client X      only those of that one: its number, owner or\n"
	"                      address\n"
	"      --type TYPE     only those of directories (directory) or files\n"
	"                      (file)\n" CONTROL_HELP;

static const char *const types[] = {"directory", "file", NULL};

static const struct control_verb verb = {
	.name = "delegations",
	.help = help,
	.head = render_delegations_head,
	.render = render_delegation,
	.values = {{"client", "client"}, {"type", "type", types}},
};

int verb_delegations(int argc, char **argv)
{
	return control_main(&verb, argc, argv);
}
