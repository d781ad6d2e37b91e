"""Adapters: everything with a network, a disk, a device or a heavy library, behind the ports of the domain."""
