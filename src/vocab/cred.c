/* SPDX-License-Identifier: MIT */
#include "vocab/cred.h"

const struct cred cred_server;
