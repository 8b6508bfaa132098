"""The database of record. Importing this package imports no database library."""
