"""One study a shape that the schema must carry: factors, outcomes and hypotheses of every kind."""

BASE = "base: {data: {name: mnist1d}, train: {epochs: 30}}\n"

OPTIMIZERS = """\
title: Which optimizer learns fastest?
topic: optimisation
claim: {says: "Adam, joining momentum and RMSProp, learns fastest", source: notes on optimizers}
base:
  data: {name: mnist1d}
  model: {name: mlp, widths: [100, 100], activation: relu, init: he_normal}
  train: {batch_size: 100, epochs: 30, loss: cross_entropy}
arms:
  optimizer.name: [sgd, momentum, nag, adagrad, rmsprop, adam, adamw]
tune: {optimizer.lr: own_range, points: 9, seeds: 2, select: {steps_to: val/accuracy}}
judge: {replicates: 20}
hypotheses:
  - {primary: true, kind: faster, a: adam, b: momentum, outcome: {steps_to: val/accuracy}, delta: 1.25}
  - {kind: best_of, outcome: {final: test/accuracy}, delta: 0.01}
tiers:
  full: {data.n_train: 40000, judge.replicates: 50}
"""

ACTIVATIONS = f"""{BASE}
arms:
  activation:
    sigmoid: {{model.activation: sigmoid, model.init: xavier_normal}}
    tanh:    {{model.activation: tanh, model.init: xavier_normal}}
    relu:    {{model.activation: relu, model.init: he_normal}}
  model.depth: [1, 3, 8]
tune: {{optimizer.lr: own_range}}
hypotheses:
  - primary: true
    kind: faster
    a: relu
    b: sigmoid
    outcome: {{steps_to: val/accuracy}}
    delta: 1.25
    at: {{model.depth: 3}}
  - {{kind: interaction, a: relu, b: sigmoid, over: model.depth, outcome: {{final: train/loss}}}}
  - kind: mechanism
    arm: {{activation: relu}}
    outcome: {{probe: dead_fraction, layer: all, when: end}}
    below: 0.1
"""

INITS = f"""{BASE}
arms:
  init:
    normal_1: {{model.init: normal_1}}
    xavier_normal: {{model.init: xavier_normal}}
  activation: {{sigmoid: {{model.activation: sigmoid}}}}
hypotheses:
  - kind: mechanism
    arm: {{init: normal_1, activation: sigmoid}}
    outcome: {{probe: saturated_fraction, layer: 1, when: start}}
    above: 0.5
  - kind: mechanism
    arm: {{init: xavier_normal, activation: sigmoid}}
    outcome: {{probe: between_sample_spread, ratio: [last, first], when: start}}
    above: 0.1
"""

DROPOUT = """\
arms: {model.dropout: [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]}
base: {data: {name: mnist1d, n_train: 1000}, model: {widths: [512, 512]}, train: {epochs: 30}}
require:
  gap:
    outcome: [{final: train/accuracy}, {final: test/accuracy}]
    arm: {model.dropout: 0}
    at_least: 0.05
hypotheses:
  - {primary: true, kind: interior_optimum, outcome: {final: test/accuracy}, delta: 0.01}
  - {kind: dose, outcome: {final: train/accuracy}, direction: decreasing}
"""

ENSEMBLES = f"""{BASE}
arms: {{size: {{one: {{model.width: 100}}, five_times_wider: {{model.width: 500}}}}}}
judge: {{members: 10}}
hypotheses:
  - primary: true
    kind: at_least
    a: {{ensemble: mean, members: 5}}
    b: {{ensemble: member_mean}}
    outcome: test/accuracy
    x: 0.02
  - kind: superiority
    a: {{ensemble: mean, members: 5}}
    b: {{arm: five_times_wider}}
    outcome: test/nll
    delta: 5%
"""

LEARNING_RATE = f"""{BASE}
arms: {{optimizer.lr: {{log_range: [1.0e-5, 30], points: 14}}}}
hypotheses:
  - {{kind: threshold, outcome: diverged, over: optimizer.lr}}
  - {{kind: identity, outcome: {{exact: quadratic_stability}}, tolerance: 1.0e-9}}
"""

PERCEPTRON_XOR = """\
base: {data: {name: gates}, train: {batch_size: full, steps: 500}}
arms: {model.widths: {perceptron: [], mlp: [4]}, data.gate: [and, or, xor]}
judge: {replicates: 100}
hypotheses:
  - primary: true
    kind: impossibility
    arm: {model.widths: perceptron, data.gate: xor}
    outcome: {success: train/accuracy, at_least: 1.0}
    certificate: linear_separability
"""

MINE = """\
base:
  data: {file: churn.parquet, target: left}
  model: {class: "nets.py:Tower", width: 64, dropout: 0.1}
  train: {epochs: 20}
arms: {model.width: [32, 64, 128]}
"""

SEARCH = """\
kind: search
base: {data: {name: mnist1d}, train: {epochs: 30}}
space:
  model.depth: [1, 2, 3, 4]
  model.width: {log_range: [16, 512]}
  model.activation: [relu, tanh, gelu]
  optimizer.name: [sgd, adam]
  optimizer.lr: own_range
budget: {trials: 400, sampler: tpe}
"""

SKETCHES = {
    "optimizers": OPTIMIZERS,
    "activations": ACTIVATIONS,
    "inits": INITS,
    "dropout": DROPOUT,
    "ensembles": ENSEMBLES,
    "learning_rate": LEARNING_RATE,
    "perceptron_xor": PERCEPTRON_XOR,
    "mine": MINE,
    "search": SEARCH,
}
