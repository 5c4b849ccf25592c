from . import cells as cells
from . import intracellular as intracellular
from . import libraries as libraries
from . import models as models
from . import probes as probes
from . import recordings as recordings
from . import settings as settings
from .figures.templates import plot_template as plot_template
from .libraries import open_library as open_library
from .libraries import read_library as read_library
from .library_in_memory import library as library
from .probes import load_probe as load_probe
from .recordings import generate as generate
from .recordings import read_recording as read_recording
from .settings import load_settings as load_settings
from .single_eap import eap as eap

__version__: str
