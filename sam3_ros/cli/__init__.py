"""The console command `sam3-ros`: a module or a package for each sub-command."""
