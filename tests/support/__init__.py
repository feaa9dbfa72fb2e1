"""What tests of several packages share: the scripted server and its fixtures."""
