/* SPDX-License-Identifier: MIT */
/* herald recall: make clients give delegations back. */
#include "cli/control.h"
#include "cli/render_control.h"
#include "cli/verbs.h"

static const char help[] =
	"Usage: herald recall [OPTION]... DELEGATION\n"
	"       herald recall [OPTION]... --dir PATH | --client X\n"
	"Recall one delegation, as herald delegations names it, or all of a\n"
	"directory or of a client. Clients may ask for them again.\n"
	"\n"
	"      --dir PATH      the directory, as clients see it from the root\n"
	"                      of the server: /photos\n"
	"      --client X      the client: its number, owner or "
	"address\n" CONTROL_HELP;

static const struct control_verb verb = {
	.name = "recall",
	.help = help,
	.render = render_recall,
	.values = {{"dir", "directory"}, {"client", "client"}},
	.operand = "delegation",
	.needs_one = true,
};

int verb_recall(int argc, char **argv)
{
	return control_main(&verb, argc, argv);
}
