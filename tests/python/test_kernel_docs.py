"""The lists of ONNX Runtime's source are read as they are meant."""

from onnxquant_tools.kernel_docs import (
    Kernel,
    kernels_of,
    names_of,
    said_by_kernels,
    said_by_names,
)

LIST = """
## Operators implemented by CPUExecutionProvider
|**Operator Domain:** *ai.onnx*||||
|Cos|*in* input:**T**<br> *out* output:**T**|7+|**T** = tensor(double)|

## Operators implemented by CUDAExecutionProvider

| Op Name | Parameters | OpSet Version | Types Supported |
|---------|------------|---------------|-----------------|
|**Operator Domain:** *ai.onnx*||||
|Cos|*in* input:**T**<br> *out* output:**T**|7+|**T** = tensor(double), tensor(float)|
|Pow|*in* X:**T**<br> *in* Y:**T**<br> *out* Z:**T**<br><br>or<br><br>*in* X:**T**<br> *in* Y:**T1**<br> *out* Z:**T**|13+|**T** = tensor(bfloat16), tensor(float)<br/> **T1** = tensor(float16)|
|||[7, 12]|**T** = tensor(float16), tensor(int32)|
|Where|*in* condition:**B**<br> *in* X:**T**<br> *out* output:**T**|9|**B** = tensor(bool)<br/> **T** = seq(tensor(double)), tensor(float)|
|**Operator Domain:** *com.microsoft*||||
|Attend|*in* q:**T**<br> *in* past:**C**<br> *in* scale:**S**<br> *out* y:**T**|1+|**C** = tensor(float), tensor(int8)<br/> **S** = tensor(float)<br/> **T** = tensor(bfloat16), tensor(float16)|

## Operators implemented by DmlExecutionProvider
|**Operator Domain:** *ai.onnx*||||
|Sin|*in* input:**T**<br> *out* output:**T**|7+|**T** = tensor(float)|
"""  # noqa: E501


def test_the_list_of_a_provider_is_read() -> None:
    assert kernels_of(LIST, "CUDAExecutionProvider") == {
        "Cos": [Kernel(7, None, "fd")],
        "Pow": [Kernel(13, None, "fb"), Kernel(7, 12, "h")],
        "Where": [Kernel(9, 9, "f")],
        "com.microsoft::Attend": [Kernel(1, None, "hb")],
    }


def test_a_kernel_for_a_version_is_none_for_a_newer_one() -> None:
    kernels = kernels_of(LIST, "CUDAExecutionProvider")
    assert said_by_kernels(kernels, "Cos", 7, "f") == ""
    assert "Could not find" in said_by_kernels(kernels, "Cos", 22, "f")
    assert "Could not find" in said_by_kernels(kernels, "Cos", 7, "h")
    assert said_by_kernels(kernels, "Pow", 12, "h") == ""


def test_what_is_made_of_other_operators_is_left_open() -> None:
    kernels = kernels_of(LIST, "CUDAExecutionProvider")
    assert "made of other operators" in said_by_kernels(kernels, "Mish", 18, "f")
    assert "Could not find" in said_by_kernels(kernels, "Sign", 13, "f")


def test_a_list_of_names_says_nothing_of_types() -> None:
    names = names_of("|Operator|Note|\n|--|--|\n|ai.onnx:Add||\n|com.microsoft:QuickGelu|x|\n")
    assert names == {"Add", "com.microsoft::QuickGelu"}
    assert "Could not find" not in said_by_names(names, "Add", 13)
    assert "Could not find" in said_by_names(names, "Sign", 13)
