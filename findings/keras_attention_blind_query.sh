#!/bin/sh
# What Keras 3.15.1's MultiHeadAttention gives a query whose mask hides every step depends on an argument that should only add
# a result: the default call gives such a padded step the mean of all values, hidden ones included; with
# return_attention_scores=True, or with a dropout rate above 0 even in inference, the same weights give zeros. So a model
# that was trained with dropout=0.1 and is served by a layer with dropout=0.0 gives other numbers at padded steps, which a
# pooling over time or a residual connection hands on. Expected before running it: the same output in all three calls.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check keras==3.15.1 numpy==1.26.4 scipy==1.11.4 jax==0.4.30 jaxlib==0.4.30
cat >"$folder/run.py" <<'END'
import keras
import numpy as np

keras.utils.set_random_seed(1)
layers = {rate: keras.layers.MultiHeadAttention(num_heads=2, key_dim=4, dropout=rate) for rate in (0.0, 0.1)}
x = np.arange(24, dtype="float32").reshape(1, 3, 8) / 10
mask = np.zeros((1, 3, 3), bool)
mask[:, :2, :2] = True  # the third step is padding: it sees nothing and is not seen
for layer in layers.values():
    layer.build(x.shape, x.shape)
layers[0.1].set_weights(layers[0.0].get_weights())

plain, dropout = layers[0.0], layers[0.1]
outputs = {
    "default call": plain(x, x, attention_mask=mask),
    "with scores": plain(x, x, attention_mask=mask, return_attention_scores=True)[0],
    "dropout=0.1, inference": dropout(x, x, attention_mask=mask, training=False),
}
outputs = {name: keras.ops.convert_to_numpy(y)[0] for name, y in outputs.items()}
kernel, output = (np.asarray(w) for w in (plain.value_dense.kernel, plain.output_dense.kernel))
mean = np.einsum("shd,hdo->so", np.einsum("sd,dhv->shv", x[0], kernel), output).mean(0)
for name, y in outputs.items():
    print(f"keras {keras.__version__} on {keras.backend.backend()}, {name}: padded step {y[2, :3]}")
    assert np.allclose(y[:2], outputs["default call"][:2], atol=1e-5), "the other steps differ too"
assert np.allclose(outputs["default call"][2], mean, atol=1e-5), "not the mean of all values"
assert not outputs["with scores"][2].any(), "not 0 with scores"
assert not outputs["dropout=0.1, inference"][2].any(), "not 0 with dropout"
END
for backend in numpy jax; do
    KERAS_BACKEND=$backend "$folder/venv/bin/python" "$folder/run.py"
done
