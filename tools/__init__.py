"""What builds, checks and documents this repository; no part of what a person installs."""
