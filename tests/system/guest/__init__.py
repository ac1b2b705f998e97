# SPDX-License-Identifier: MIT
"""A real Linux kernel in QEMU, as an NFS client and as knfsd."""
from .guest import Command, CommandFailed, Guest, GuestError, Result
from .knfsd import Knfsd

__all__ = ["Command", "CommandFailed", "Guest", "GuestError", "Knfsd",
           "Result"]
