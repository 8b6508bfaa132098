"""Using the engine of a daemon that runs: the same calls, carried over its Unix socket."""
