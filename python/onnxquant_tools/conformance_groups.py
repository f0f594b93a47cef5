"""The groups of operators that the tables of the conformance suite count by."""

_GROUPS = {
    "control flow": "If Loop Scan",
    "sequences and optionals": (
        "SequenceAt SequenceConstruct SequenceEmpty SequenceErase SequenceInsert SequenceLength "
        "SequenceMap ConcatFromSequence SplitToSequence Optional OptionalGetElement "
        "OptionalHasElement"
    ),
    "normalization": (
        "BatchNormalization GroupNormalization InstanceNormalization LayerNormalization "
        "LpNormalization LRN MeanVarianceNormalization RMSNormalization"
    ),
    "attention": "Attention RotaryEmbedding TensorScatter FlexAttention LinearAttention",
    "recurrent": "GRU LSTM RNN CausalConvWithState",
    "convolution and pooling": (
        "AveragePool Conv ConvInteger ConvTranspose DeformConv GlobalAveragePool GlobalLpPool "
        "GlobalMaxPool LpPool MaxPool MaxRoiPool MaxUnpool QLinearConv RoiAlign Col2Im"
    ),
    "matrices": "Det Einsum Gemm MatMul MatMulInteger QLinearMatMul",
    "reductions and order": (
        "ArgMax ArgMin CumProd CumSum Hardmax LogSoftmax ReduceL1 ReduceL2 ReduceLogSum "
        "ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare "
        "Softmax TopK Unique"
    ),
    "types and quantization": (
        "BitCast Cast CastLike DequantizeLinear DynamicQuantizeLinear QuantizeLinear"
    ),
    "random": "Bernoulli Dropout Multinomial RandomNormal RandomNormalLike RandomUniform "
    "RandomUniformLike",
    "signals": "BlackmanWindow DFT HammingWindow HannWindow MelWeightMatrix STFT",
    "images and boxes": (
        "AffineGrid CenterCropPad GridSample ImageDecoder NonMaxSuppression Resize Upsample"
    ),
    "losses and training": (
        "Adagrad Adam Gradient Momentum NegativeLogLikelihoodLoss SoftmaxCrossEntropyLoss"
    ),
    "shapes and moving": (
        "Compress Concat Constant ConstantOfShape DepthToSpace Expand EyeLike Flatten Gather "
        "GatherElements GatherND Identity NonZero OneHot Pad Range Reshape ReverseSequence Scatter "
        "ScatterElements ScatterND Shape Size Slice SpaceToDepth Split Squeeze Tile Transpose "
        "Trilu Unsqueeze Where"
    ),
    "text and trees": (
        "ArrayFeatureExtractor Binarizer LabelEncoder RegexFullMatch StringConcat "
        "StringNormalizer StringSplit TfIdfVectorizer TreeEnsemble"
    ),
}
_BY_OPERATOR = {name: group for group, names in _GROUPS.items() for name in names.split()}
_BY_KIND = {
    "simple": "small graphs",
    "pytorch-operator": "exported from PyTorch",
    "pytorch-converted": "exported from PyTorch",
    "light": "vision networks",
}
GROUPS = (*_GROUPS, "arithmetic", *dict.fromkeys(_BY_KIND.values()))


def group_of(kind: str, operator: str) -> str:
    """Return the group of a case; an operator that no group names is arithmetic."""
    return _BY_KIND.get(kind) or _BY_OPERATOR.get(operator, "arithmetic")
