#!/usr/bin/env python3
"""compare.py's Keras worker, compiled by XLA: on JAX or on TensorFlow, as KERAS_BACKEND says."""
import argparse
import time

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--threads", type=int, required=True)
threads = parser.parse_args().threads

import keras  # noqa: E402  after the arguments, as it takes seconds

import worker  # noqa: E402
from worker import GATES  # noqa: E402

on_jax = keras.backend.backend() == "jax"
if on_jax:
    import jax
else:
    import tensorflow as tf
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)


def faster(steps):
    """Of ways to do the same the one with the shortest step, each compiled before."""
    def seconds(step):
        step()
        times = []
        for _ in range(3):
            start = time.perf_counter()
            step()
            times.append(time.perf_counter() - start)
        return min(times)
    return min(steps, key=seconds)


def recurrent(cell, operands, B, T, D, U):
    g = GATES[cell]
    layer = getattr(keras.layers, cell)(U, return_sequences=True)
    layer.build((B, T, D))
    layer.set_weights([operands("kernel", D, g * U), operands("recurrent_kernel", U, g * U),
                       operands("bias", *((2, g * U) if cell == "GRU" else (g * U,)))])
    x, gradient = operands("x", B, T, D), operands("output_gradient", B, T, U)
    last = []
    if on_jax:
        rest = [v.value for v in layer.non_trainable_variables]

        def loss(weights, x, gradient):
            y, _ = layer.stateless_call(weights, rest, x)
            return (y * gradient).sum(), y

        run = jax.jit(jax.value_and_grad(loss, has_aux=True))
        arguments = [v.value for v in layer.trainable_variables], jax.device_put(x), jax.device_put(gradient)

        def step():
            (_, y), gradients = jax.block_until_ready(run(*arguments))
            last[:] = [y, *gradients]
    else:
        x, gradient = tf.constant(x), tf.constant(gradient)

        def run(x, gradient):
            with tf.GradientTape() as tape:
                y = layer(x)
                loss = tf.reduce_sum(y * gradient)
            return y, tape.gradient(loss, layer.trainable_variables)

        def step_of(function):
            def step():
                y, gradients = function(x, gradient)
                last[:] = [y, *gradients]
            return step

        step = faster([step_of(tf.function(run, jit_compile=jit)) for jit in (True, False)])

    return step, lambda: dict(zip(("output", "d_kernel", "d_recurrent_kernel", "d_bias"), last))


def char_lm(cell, operands, B, T, V, E, U):
    g = GATES[cell]
    model = keras.Sequential([keras.Input((T,), dtype="int32"), keras.layers.Embedding(V, E),
                              getattr(keras.layers, cell)(U, return_sequences=True), keras.layers.Dense(V)])
    names = ("embedding.embeddings", "rnn.kernel", "rnn.recurrent_kernel", "rnn.bias", "dense.kernel", "dense.bias")
    model.set_weights([operands(name, *v.shape) for name, v in zip(names, model.trainable_variables)])
    ids, labels = (operands(name, B, T).astype("int32") for name in ("ids", "labels"))
    optimizer = keras.optimizers.Adam(1e-3, global_clipnorm=1.0)
    optimizer.build(model.trainable_variables)
    loss_of = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    losses = []
    if on_jax:
        rest = [v.value for v in model.non_trainable_variables]

        def loss(weights, ids, labels):
            y, _ = model.stateless_call(weights, rest, ids, training=True)
            return loss_of(labels, y)

        def run(weights, state, ids, labels):
            value, gradients = jax.value_and_grad(loss)(weights, ids, labels)
            weights, state = optimizer.stateless_apply(state, gradients, weights)
            return value, weights, state

        run = jax.jit(run, donate_argnums=(0, 1))
        state = [[v.value for v in variables] for variables in (model.trainable_variables, optimizer.variables)]
        ids, labels = jax.device_put(ids), jax.device_put(labels)

        def step():
            value, *state[:] = run(*state, ids, labels)
            jax.block_until_ready(state)
            losses[:] = [*losses[-3:], float(value)]

        def weights():
            return state[0]
    else:
        ids, labels = tf.constant(ids), tf.constant(labels)

        @tf.function(jit_compile=True)
        def run(ids, labels):
            with tf.GradientTape() as tape:
                value = loss_of(labels, model(ids, training=True))
            gradients = tape.gradient(value, model.trainable_variables)
            optimizer.apply(gradients, model.trainable_variables)
            return value

        def step():
            losses[:] = [*losses[-3:], float(run(ids, labels))]

        def weights():
            return model.trainable_variables

    def results():
        for _ in range(3):
            step()
        return {"losses": losses, **dict(zip(names, weights()))}

    return step, results


worker.serve({"recurrent": recurrent, "char_lm": char_lm})
