/* SPDX-License-Identifier: MIT */
/* herald clients: who has a session with a server on this host. */
#include "cli/control.h"
#include "cli/render_control.h"
#include "cli/verbs.h"

static const char help[] =
	"Usage: herald clients [OPTION]...\n"
	"The clients of the heraldd of this host, a line each.\n"
	"\n"
	"      --client X      only that one: its number, owner or "
	"address\n" CONTROL_HELP;

static const struct control_verb verb = {
	.name = "clients",
	.help = help,
	.head = render_clients_head,
	.render = render_client,
	.values = {{"client", "client"}},
};

int verb_clients(int argc, char **argv)
{
	return control_main(&verb, argc, argv);
}
