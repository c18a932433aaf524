"""Synthetic faces from facial action units: images, photographs and clips with ground truth."""

from keras_mer.synthetic.clip import Clip, draw_clip, profile
from keras_mer.synthetic.clip_layouts import write_casme2, write_samm, write_smic
from keras_mer.synthetic.cohn_kanade import write_ck48, write_ckplus
from keras_mer.synthetic.face import draw_expression, draw_face
from keras_mer.synthetic.identity import HAIR_STYLES, Identity, make_identity
from keras_mer.synthetic.layouts import (
    write_ckextended_csv,
    write_fer2013_csv,
    write_fer2013_folders,
    write_ferplus_csv,
    write_samples,
)
from keras_mer.synthetic.numbering import ACTION_UNITS
from keras_mer.synthetic.photo import Photo, draw_photo
from keras_mer.synthetic.recording import DrawnRecording, draw_recording
from keras_mer.synthetic.recording_layouts import (
    write_casme_squared,
    write_recordings,
    write_samm_long,
)
from keras_mer.synthetic.scene import Scene
from keras_mer.synthetic.units import PROTOTYPES, action_units, vector
from keras_mer.synthetic.wild_layouts import (
    write_affectnet,
    write_expw,
    write_jaffe,
    write_pressfaces,
    write_rafdb,
)

__all__ = [
    "ACTION_UNITS",
    "HAIR_STYLES",
    "PROTOTYPES",
    "Clip",
    "DrawnRecording",
    "Identity",
    "Photo",
    "Scene",
    "action_units",
    "draw_clip",
    "draw_expression",
    "draw_face",
    "draw_photo",
    "draw_recording",
    "make_identity",
    "profile",
    "vector",
    "write_affectnet",
    "write_casme2",
    "write_casme_squared",
    "write_ck48",
    "write_ckextended_csv",
    "write_ckplus",
    "write_expw",
    "write_fer2013_csv",
    "write_fer2013_folders",
    "write_ferplus_csv",
    "write_jaffe",
    "write_pressfaces",
    "write_rafdb",
    "write_recordings",
    "write_samm",
    "write_samm_long",
    "write_samples",
    "write_smic",
]
