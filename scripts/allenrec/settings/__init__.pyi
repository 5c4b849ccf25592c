from .configuration import Settings as Settings
from .configuration import load_configuration as load_configuration
from .configuration import load_settings as load_settings
