"""A recurrent network over frames: any image model sees each frame, an LSTM reads the sequence."""

import keras
from keras import layers, ops

from keras_mer.errors import UserError
from keras_mer.models import blocks


def cnn_bilstm(
    classes: int,
    frames: int = 16,
    size: int = 48,
    channels: int = 1,
    encoder: str | dict = "cnn",
    weights: str | None = None,
    freeze: bool = False,
    units: int = 64,
    attention: bool = False,
    magnify: float = 0.0,
    dropout: float = 0.3,
    unroll: bool = False,
) -> keras.Model:
    """Time-distributed CNN, then a bidirectional LSTM (Donahue et al. 2015; Graves et al. 2005).

    Args:
        classes: number of outputs.
        frames: frames a clip.
        size: side of the square frames, pixels.
        channels: of a frame.
        encoder: the image model that sees each frame: a registered name, or a mapping with `name`
            and that model's own arguments. What it computes before its logits is the sequence.
        weights: path of a `.keras` file of a trained image model, which is then the encoder
            instead of `encoder`.
        freeze: keep the encoder as it is.
        units: of the LSTM, in each direction.
        attention: weigh the frames by a learnt score (Bahdanau et al. 2015, without a query)
            instead of taking both directions' last states.
        magnify: 0 shows the encoder the frames as they are; otherwise it sees how each differs from
            the clip's first frame, on mid-grey, so many times as strong. A micro-expression
            changes a few grey values in a face that stays, and differs from it less than any two
            faces do.
        dropout: rate before the LSTM and before the logits.
        unroll: write the loop over time out, which TFLite's builtin operators need; the weights
            are the same (see `unrolled`). Training is faster without.

    Returns:
        (batch, frames, size, size, channels) pixels 0..255 -> (batch, classes) logits.

    Raises:
        UserError: for an unknown encoder, weights that are no image model of this input, or an
            encoder beside weights.
    """
    seen = _encoder(encoder, weights, size, channels)
    seen.trainable = not freeze
    inputs = keras.Input((frames, size, size, channels), name="pixels")
    # All frames as one batch: what TimeDistributed means, in one call instead of one a frame.
    x = inputs
    if magnify:
        x = magnify * (x - x[:, :1]) + 128.0
    x = seen(ops.reshape(x, (-1, size, size, channels)))
    x = ops.reshape(x, (-1, frames, x.shape[-1]))
    x = layers.Dropout(dropout)(x)
    recurrent = layers.LSTM(units, return_sequences=attention, unroll=unroll)
    x = layers.Bidirectional(recurrent, name="time")(x)
    if attention:
        scores = layers.Dense(1, name="attention")(layers.Dense(units, activation="tanh")(x))
        x = ops.sum(ops.softmax(scores, axis=1) * x, axis=1)
    x = layers.Dropout(dropout)(x)
    return keras.Model(inputs, blocks.logits(x, classes), name="cnn_bilstm")


def _encoder(encoder: str | dict, weights: str | None, size: int, channels: int) -> keras.Model:
    from keras_mer import models  # which imports this file

    if weights is None:
        config = {"name": encoder} if isinstance(encoder, str) else dict(encoder)
        name = config.pop("name", "cnn")
        model = models.build(name, classes=2, size=size, channels=channels, **config)
    else:
        if encoder != models.DEFAULT:
            raise UserError(
                f"encoder {encoder} has no effect beside weights {weights}, whose model is the "
                "encoder; leave one of the two out"
            )
        from keras_mer.models.saving import load_model

        model = load_model(weights)
    if model.input_shape[1:] != (size, size, channels):
        raise UserError(
            f"{weights or encoder} takes {model.input_shape[1:]}, the clips' frames are "
            f"{(size, size, channels)}"
        )
    names = [layer.name for layer in model.layers]
    if "logits" not in names:
        raise UserError(f"{weights or encoder} has no layer 'logits': no image model of keras_mer")
    return keras.Model(model.input, model.get_layer("logits").input, name="encoder")


def unrolled(model: keras.Model) -> keras.Model:
    """The same model in float32 with its loops over time written out, weights copied exactly.

    TFLite's builtin operators have no loop that its converter takes over from a rolled LSTM, and
    none for half precision.

    Args:
        model: any functional model; one without a recurrent layer is returned as it is.
    """
    config = model.get_config()
    if not _change(config, "unroll", True):
        return model
    _change(config, "name", "float32", within="DTypePolicy")
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32")  # for what a config says nothing about: containers
    twin = keras.Model.from_config(config)
    keras.config.set_dtype_policy(policy)
    twin.set_weights(model.get_weights())
    return twin


def _change(value, key: str, new, within: str | None = None, inside: bool = False) -> int:
    """Set `key` wherever it stands in a nested config, or only in configs of a class `within`."""
    if isinstance(value, list | tuple):
        return sum(_change(v, key, new, within) for v in value)
    if not isinstance(value, dict):
        return 0
    count = 0
    if key in value and (within is None or inside):
        value[key] = new
        count = 1
    own = value.get("class_name") == within and within is not None
    return count + sum(_change(v, key, new, within, own) for v in value.values())
