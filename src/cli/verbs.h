/* SPDX-License-Identifier: MIT */
/* What `herald` can do: one function per verb, in a file of its name. */
#ifndef CLI_VERBS_H
#define CLI_VERBS_H

/* Exit statuses of all verbs. */
enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

/* @argv[0] is "herald" and the verb. Returns the exit status. */
int verb_watch(int argc, char **argv);
int verb_bench(int argc, char **argv);
int verb_status(int argc, char **argv);
int verb_clients(int argc, char **argv);
int verb_delegations(int argc, char **argv);
int verb_recall(int argc, char **argv);

#endif
