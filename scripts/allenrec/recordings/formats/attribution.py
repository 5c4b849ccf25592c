"""The terms and papers of the models, which every file made from them names; NOTICE has them in full."""

TERMS = (
    "Made from models of the Allen Cell Types Database, (c) Allen Institute for Brain Science, celltypes.brain-map.org: "
    "research and other noncommercial use, with citation."
)
#: The papers on perisomatic and on all-active models
PAPERS = ("doi:10.1038/s41467-017-02718-3", "doi:10.1016/j.celrep.2022.111176")
