from .fit import Model as Model
from .kinds.register import read_model as read_model
from .mechanisms import compile_mechanisms as compile_mechanisms
from .metadata import CellFacts as CellFacts
from .metadata import cell_facts as cell_facts
from .metadata import read_metadata as read_metadata
from .sources import fetch_model as fetch_model
