"""What a bundle costs on this machine, and what the machine could do at best."""
