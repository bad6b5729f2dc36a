"""Training and export tier: the only one with torch and MuJoCo; nothing at run time imports it."""
