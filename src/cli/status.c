/* SPDX-License-Identifier: MIT */
/* herald status: what a server on this host is doing. */
#include "cli/control.h"
#include "cli/render_control.h"
#include "cli/verbs.h"

static const char help[] = "Usage: herald status [OPTION]...\n"
			   "What the heraldd of this host is doing: clients, "
			   "delegations, recalls\n"
			   "by reason, notifications by kind.\n"
			   "\n" CONTROL_HELP;

static const struct control_verb verb = {
	.name = "status",
	.help = help,
	.render = render_status,
};

int verb_status(int argc, char **argv)
{
	return control_main(&verb, argc, argv);
}
