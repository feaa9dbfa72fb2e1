"""The test suite: one folder per package of the core, and `architecture`, which checks the source itself."""
