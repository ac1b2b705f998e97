/* SPDX-License-Identifier: MIT */
/* Attributes of changed children, read and told by a job (state/childattr.h). */
#ifndef NFS_CHILDJOB_H
#define NFS_CHILDJOB_H

#include "state/node.h"

/* state_ops.tell_children; @server is the context. Takes @dir. */
void childjob_start(void *server, struct node *dir);

#endif
