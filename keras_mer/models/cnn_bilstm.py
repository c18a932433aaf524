"""A recurrent model for clips: an image encoder per frame, then a bidirectional LSTM."""

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
    """A time-distributed CNN and a bidirectional LSTM (Donahue et al. 2015; Graves et al. 2005).

    Args:
        classes: number of outputs.
        frames: frames per clip.
        size: side of the square frames, pixels.
        channels: channels of a frame.
        encoder: the image model applied to each frame: a registered name, or a mapping with `name`
            and the model's own arguments. Its features before the logits form the sequence.
        weights: path of a `.keras` file of a trained image model to use as the encoder; its input
            shape must match; not together with `encoder`.
        freeze: do not train the encoder.
        units: LSTM units per direction.
        attention: pool over time with learned attention weights (Bahdanau et al. 2015, without a
            query) instead of using the last state of both directions.
        magnify: 0 passes the frames unchanged. Otherwise the encoder gets each frame's difference
            from the first frame, multiplied by this factor and added to mid-gray (128): a
            micro-expression changes pixels by a few gray values, less than faces differ from each
            other.
        dropout: rate before the LSTM and before the logits.
        unroll: unroll the LSTM over time, as TFLite's builtin operators require; the weights are
            the same (see `unrolled`). Training is faster without.

    Returns:
        (batch, frames, size, size, channels) pixels 0..255 -> (batch, classes) logits.

    Raises:
        UserError: for an unknown encoder, weights of a model with another input or no logits, or an
            encoder beside weights.
    """
    frame_encoder = _encoder(encoder, weights, size, channels)
    frame_encoder.trainable = not freeze
    inputs = keras.Input((frames, size, size, channels), name="pixels")
    # All frames form one batch: as TimeDistributed, with one call instead of one per frame.
    x = inputs
    if magnify:
        x = magnify * (x - x[:, :1]) + 128.0
    x = frame_encoder(ops.reshape(x, (-1, size, size, channels)))
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
    from keras_mer import models  # it imports this module

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
        raise UserError(
            f"{weights or encoder} has no layer 'logits': expected an image model of keras_mer"
        )
    return keras.Model(model.input, model.get_layer("logits").input, name="encoder")


def unrolled(model: keras.Model) -> keras.Model:
    """A float32 copy of the model with unrolled recurrent layers and the same weights.

    The converter cannot express a rolled LSTM, or a half-precision one, in TFLite's builtin
    operators.

    Args:
        model: any functional model; a model without recurrent layers is returned unchanged.
    """
    config = model.get_config()
    if not _change(config, "unroll", True):
        return model
    _change(config, "name", "float32", within="DTypePolicy")
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32")  # for layers without a dtype in their config
    copy = keras.Model.from_config(config)
    keras.config.set_dtype_policy(policy)
    copy.set_weights(model.get_weights())
    return copy


def _change(value, key: str, new, within: str | None = None, inside: bool = False) -> int:
    """Set `key` everywhere in a nested config, or only in configs of the class `within`."""
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
