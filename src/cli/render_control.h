/* SPDX-License-Identifier: MIT */
/*
 * What heraldd says of itself, its clients and delegations, as text that is
 * safe on a terminal: a line for each, in columns, and names as render.h writes
 * them. Pure: JSON in, bytes out. For what an object lacks stands a dash.
 */
#ifndef CLI_RENDER_CONTROL_H
#define CLI_RENDER_CONTROL_H

#include <jansson.h>

#include "cli/render.h"

void render_status(struct render *r, const json_t *object);

void render_clients_head(struct render *r);
void render_client(struct render *r, const json_t *object);

void render_delegations_head(struct render *r);
void render_delegation(struct render *r, const json_t *object);

/* How many recalls began. */
void render_recall(struct render *r, const json_t *object);

/*
 * "owner" and "path" of an object that has only "owner_b64" or "path_b64",
 * because its bytes are not UTF-8: U+FFFD stands for what is wrong with them.
 */
void render_complete_json(json_t *object);

#endif
