from .formats.recording_file import Recording as Recording
from .formats.recording_file import read_recording as read_recording
from .formats.register import FORMATS as FORMATS
from .formats.register import load_writer as load_writer
from .generated_recording import GeneratedRecording as GeneratedRecording
from .in_memory import generate as generate
from .plan import Plan as Plan
from .plan import plan_recording as plan_recording
