"""The REST server on a Unix socket in the home folder, for the commands and SDKs of one user."""
