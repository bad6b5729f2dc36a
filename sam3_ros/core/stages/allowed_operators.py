"""The operators that a model file may have.

Those of ONNX that compute numbers from numbers, and those of ONNX Runtime that exporters and its
own quantisation write in their place. Left out are operators that carry graphs of their own,
read texts or pictures, draw at random or train, and all that call something outside, such as an
engine that was built elsewhere (EPContext). docs/adr/0016-models-from-strangers.md has the reasons.
"""

from __future__ import annotations

#: Names of ONNX's own domain: both mean the same.
ONNX_DOMAINS = frozenset({"", "ai.onnx"})

#: They run other graphs, any number of times.
CONTROL_FLOW = frozenset({"If", "Loop", "Scan", "SequenceMap"})


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


#: ONNX, docs/Operators.md.
OF_ONNX = _names(
    """
    Abs Acos Acosh Add AffineGrid And ArgMax ArgMin Asin Asinh Atan Atanh Attention AveragePool
    BatchNormalization BitCast BitShift BitwiseAnd BitwiseNot BitwiseOr BitwiseXor Cast CastLike
    CausalConvWithState Ceil Celu CenterCropPad Clip Col2Im Compress Concat ConcatFromSequence
    Constant ConstantOfShape Conv ConvInteger ConvTranspose Cos Cosh CumProd CumSum DeformConv
    DepthToSpace DequantizeLinear Det Div Dropout DynamicQuantizeLinear Einsum Elu Equal Erf Exp
    Expand EyeLike Flatten Floor GRU Gather GatherElements GatherND Gelu Gemm GlobalAveragePool
    GlobalLpPool GlobalMaxPool Greater GreaterOrEqual GridSample GroupNormalization HardSigmoid
    HardSwish Hardmax Identity InstanceNormalization IsInf IsNaN LRN LSTM LayerNormalization
    LeakyRelu Less LessOrEqual LinearAttention Log LogSoftmax LpNormalization LpPool MatMul
    MatMulInteger Max MaxPool MaxRoiPool MaxUnpool Mean MeanVarianceNormalization Min Mish Mod Mul
    Neg NonMaxSuppression NonZero Not OneHot Or PRelu Pad Pow QLinearConv QLinearMatMul
    QuantizeLinear RMSNormalization RNN Range Reciprocal ReduceL1 ReduceL2 ReduceLogSum
    ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare Relu
    Reshape Resize ReverseSequence RoiAlign RotaryEmbedding Round Scatter ScatterElements ScatterND
    Selu SequenceAt SequenceConstruct SequenceEmpty SequenceErase SequenceInsert SequenceLength
    Shape Shrink Sigmoid Sign Sin Sinh Size Slice Softmax Softplus Softsign SpaceToDepth Split
    SplitToSequence Sqrt Squeeze Sub Sum SwiGLU Swish Tan Tanh TensorScatter ThresholdedRelu Tile
    TopK Transpose Trilu Unique Unsqueeze Upsample Where Xor
    SimplifiedLayerNormalization
    """
)

#: ONNX Runtime's domain.
ONNX_RUNTIME = "com.microsoft"
#: ONNX Runtime, docs/ContribOperators.md.
OF_ONNX_RUNTIME = _names(
    """
    Attention BiasAdd BiasGelu BiasSoftmax BiasSplitGelu ConvTransposeWithDynamicPads
    DequantizeLinear DynamicQuantizeLSTM DynamicQuantizeMatMul EmbedLayerNormalization FastGelu
    FusedConv FusedGemm FusedMatMul FusedMatMulActivation GatherBlockQuantized GatherND
    Gelu GemmFastGelu GemmFloat8 GridSample GroupNorm GroupQueryAttention Inverse
    MatMulBnb4 MatMulFpQ4 MatMulInteger16 MatMulIntegerToFloat MatMulNBits MultiHeadAttention
    MulInteger NhwcConv NhwcFusedConv NhwcMaxPool PackedAttention PackedMultiHeadAttention Pad
    QAttention QGemm QLinearAdd QLinearAveragePool QLinearConcat QLinearConv
    QLinearGlobalAveragePool QLinearLeakyRelu QLinearMul QLinearReduceMean QLinearSigmoid
    QLinearSoftmax QLinearWhere QMoE QOrderedAttention QOrderedGelu QOrderedLayerNormalization
    QOrderedMatMul QuantizeBFP DequantizeBFP QuantizeLinear QuickGelu ReduceSumInteger
    RelativePositionBias RemovePadding RestorePadding RotaryEmbedding
    SkipGroupNorm SkipLayerNormalization SkipSimplifiedLayerNormalization TransposeMatMul Trilu
    """
)


def why_not_allowed(domain: str, operator: str, control_flow: bool) -> str:
    """Say why a file may not have an operator; empty if it may.

    control_flow: the manifest allows the stage graphs within its graph.
    """
    if domain in ONNX_DOMAINS:
        if operator in OF_ONNX or (control_flow and operator in CONTROL_FLOW):
            return ""
        if operator in CONTROL_FLOW:
            return (
                f"operator {operator} runs graphs of its own, which the manifest does not allow "
                f"this stage (control_flow: true)"
            )
        return f"operator {operator!r} is none that a model may have here"
    if domain == ONNX_RUNTIME and operator in OF_ONNX_RUNTIME:
        return ""
    return f"operator {operator!r} of domain {domain!r} is none that a model may have here"
