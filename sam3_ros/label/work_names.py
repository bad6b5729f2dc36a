"""The names of what a labelling keeps for itself in its folder."""

from __future__ import annotations

#: The folder of the chunks' files, in the folder of the outputs. Hidden, so that a search of an
#: archive that holds the outputs too passes over it.
WORK = ".sam3-ros-label"
#: In it:
LOCK, IDENTITY, PLAN, OUTPUTS = "lock", "identity.json", "plan.json", "outputs.json"
