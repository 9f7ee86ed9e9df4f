"""The local page: ask, see the proof, overrule, read on."""
