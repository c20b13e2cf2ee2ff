"""From a name to a checkpoint: embedded, folder or hub."""
