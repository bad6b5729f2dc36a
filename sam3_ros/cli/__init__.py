"""The console command `sam3-ros`: one file a sub-command."""
