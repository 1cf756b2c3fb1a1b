//! Starts the kernels of `kernels.cu`. Part of builds for CUDA alone.
//!
//! All work of a device goes to one stream in order, so that nothing here waits: a map that is dropped is freed on the stream
//! after the kernels that read it.

use candle_core::backend::BackendStorage;
use candle_core::cuda_backend::cudarc::driver::{CudaSlice, DevicePtr, DeviceRepr, LaunchConfig, PushKernelArg};
use candle_core::cuda_backend::{CudaDType, CudaStorage, WrapErr};
use candle_core::{Result, Shape, Storage, Tensor, bail};
use half::f16;

use super::super::fused::{Convolution, MOST_SOURCES};

/// The kernels, compiled by `packaging/cuda/build.rs`.
const PTX: &str = include_str!(concat!(env!("OUT_DIR"), "/kernels.ptx"));

const MODULE: &str = "mammoscope";

/// Threads of a block of a convolution, and of the other kernels.
const CONV_THREADS: u32 = 128;
const THREADS: u32 = 256;
/// Pixels and channels of a block, for many pixels and for few.
const LARGE: [usize; 2] = [128, 64];
const SMALL: [usize; 2] = [32, 32];
/// With fewer large blocks than this, about the multiprocessors of a device, small ones are used.
const MULTIPROCESSORS: usize = 128;

/// `Source` of the kernels.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct SourceParameter {
    values: u64,
    channels: i32,
    doubled: i32,
}

/// `Convolution` of the kernels.
#[repr(C)]
struct ConvolutionParameter {
    sources: [SourceParameter; MOST_SOURCES],
    weights: u64,
    bias: u64,
    residual: u64,
    result: u64,
    batch: i32,
    height: i32,
    width: i32,
    result_height: i32,
    result_width: i32,
    outputs: i32,
    inputs: i32,
    kernel: i32,
    stride: i32,
    slope: f32,
}

// SAFETY: plain values, laid out as the kernel declares them.
unsafe impl DeviceRepr for ConvolutionParameter {}

/// Runs a convolution on the device of `storage`, which holds the first input.
pub fn convolve(call: &Convolution<'_>, storage: &CudaStorage) -> Result<(CudaStorage, Shape)> {
    let dims = call.result_dims()?;
    let [batch, result_height, result_width, outputs] = dims;
    let device = storage.device();
    // SAFETY: the kernel writes every value.
    let result = unsafe { device.alloc::<f16>(dims.iter().product())? };
    if call.conv.shape.inputs == 1 {
        grey(call, storage, &result, dims)?;
        return Ok((CudaStorage::wrap_cuda_slice(result, device.clone()), Shape::from(dims.to_vec())));
    }

    let mut sources = [SourceParameter::default(); MOST_SOURCES];
    for (source, input) in sources.iter_mut().zip(call.inputs) {
        let channels = input.dims()?[3] as i32;
        *source = SourceParameter { values: address::<f16>(&input.values)?, channels, doubled: input.doubled.into() };
    }
    let [_, height, width, _] = call.inputs[0].dims()?;
    let parameter = ConvolutionParameter {
        sources,
        weights: address::<f16>(&call.conv.weights)?,
        bias: address::<f32>(&call.conv.bias)?,
        residual: call.residual.map_or(Ok(0), |map| address::<f16>(&map.values))?,
        result: result.device_ptr(&device.cuda_stream()).0,
        batch: batch as i32,
        height: height as i32,
        width: width as i32,
        result_height: result_height as i32,
        result_width: result_width as i32,
        outputs: outputs as i32,
        inputs: call.conv.shape.inputs as i32,
        kernel: call.conv.shape.kernel as i32,
        stride: call.conv.shape.stride as i32,
        slope: call.conv.slope,
    };
    let rows = batch * result_height * result_width;
    let blocks = |[pixels, channels]: [usize; 2]| [rows.div_ceil(pixels), outputs.div_ceil(channels)];
    let [across, down] = blocks(LARGE);
    let (name, [across, down]) = if across * down >= MULTIPROCESSORS {
        ("convolve_large", [across, down])
    } else {
        ("convolve_small", blocks(SMALL))
    };
    let config = LaunchConfig {
        grid_dim: (across as u32, down as u32, 1),
        block_dim: (CONV_THREADS, 1, 1),
        shared_mem_bytes: 0,
    };
    let function = device.get_or_load_custom_func(name, MODULE, PTX)?;
    let mut launch = function.builder();
    launch.arg(&parameter);
    // SAFETY: `result_dims` compared all sizes, weights and bias are padded to whole blocks.
    unsafe { launch.launch(config) }.w()?;
    Ok((CudaStorage::wrap_cuda_slice(result, device.clone()), Shape::from(dims.to_vec())))
}

/// The first layer.
fn grey(call: &Convolution<'_>, storage: &CudaStorage, result: &CudaSlice<f16>, dims: [usize; 4]) -> Result<()> {
    let [batch, height, width, outputs] = dims.map(|side| side as i32);
    let device = storage.device();
    let result = result.device_ptr(&device.cuda_stream()).0;
    let image = address::<f32>(&call.inputs[0].values)?;
    let (weights, bias) = (address::<f32>(&call.conv.weights)?, address::<f32>(&call.conv.bias)?);
    let function = device.get_or_load_custom_func("convolve_grey", MODULE, PTX)?;
    let mut launch = function.builder();
    launch.arg(&image).arg(&weights).arg(&bias).arg(&result);
    launch.arg(&batch).arg(&height).arg(&width).arg(&outputs).arg(&call.conv.slope);
    // SAFETY: `result_dims` compared the sizes with the image's, `HalfConv::new` the channels.
    unsafe { launch.launch(one_each(dims.iter().product::<usize>() / 8)) }.w()?;
    Ok(())
}

/// The largest of each 2×2 pixels of maps of twice the height and width of `dims`.
pub fn max_pool(dims: [usize; 4], storage: &CudaStorage) -> Result<(CudaStorage, Shape)> {
    let [batch, height, width, channels] = dims.map(|side| side as i32);
    let device = storage.device();
    let input = storage.as_cuda_slice::<f16>()?;
    if input.len() != 4 * dims.iter().product::<usize>() {
        bail!("a pooling of maps of another size");
    }
    // SAFETY: the kernel writes every value.
    let result = unsafe { device.alloc::<f16>(dims.iter().product())? };
    let stream = device.cuda_stream();
    let (from, to) = (input.device_ptr(&stream).0, result.device_ptr(&stream).0);
    let function = device.get_or_load_custom_func("pool", MODULE, PTX)?;
    let mut launch = function.builder();
    launch.arg(&from).arg(&to).arg(&batch).arg(&height).arg(&width).arg(&channels);
    // SAFETY: the sizes were compared.
    unsafe { launch.launch(one_each(dims.iter().product::<usize>() / 8)) }.w()?;
    Ok((CudaStorage::wrap_cuda_slice(result, device.clone()), Shape::from(dims.to_vec())))
}

/// A thread for each of `count` items.
fn one_each(count: usize) -> LaunchConfig {
    LaunchConfig { grid_dim: ((count as u32).div_ceil(THREADS), 1, 1), block_dim: (THREADS, 1, 1), shared_mem_bytes: 0 }
}

/// Where a contiguous tensor's values lie on the device.
fn address<T: CudaDType + DeviceRepr>(tensor: &Tensor) -> Result<u64> {
    let (storage, layout) = tensor.storage_and_layout();
    let Storage::Cuda(storage) = &*storage else { bail!("a tensor of another device") };
    if !layout.is_contiguous() || layout.start_offset() != 0 {
        bail!("a tensor that is not contiguous");
    }
    Ok(storage.as_cuda_slice::<T>()?.device_ptr(&storage.device().cuda_stream()).0)
}
