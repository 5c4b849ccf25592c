from .build import build_cell_library as build_cell_library
from .forward_model import transfer_matrix as transfer_matrix
from .library_file import Library as Library
from .library_file import concatenate_libraries as concatenate_libraries
from .library_file import library_from_arrays as library_from_arrays
from .library_file import open_library as open_library
from .library_file import read_library as read_library
