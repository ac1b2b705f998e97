/* SPDX-License-Identifier: MIT */
/* Prints the table for docs/NFS.md: make docs. Not installed. */
#include "daemon/metrics.h"

int main(void)
{
	metrics_print_table(stdout);
	return fflush(stdout) ? 1 : 0;
}
