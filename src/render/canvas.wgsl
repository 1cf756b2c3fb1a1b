// The finished canvas onto the window, pixel by pixel. Follows cover.wgsl.

@group(0) @binding(0) var<uniform> corner: vec4<i32>;
@group(0) @binding(1) var canvas: texture_2d<f32>;

fn display(position: vec4<f32>) -> vec3<f32> {
    return textureLoad(canvas, vec2<i32>(position.xy) - corner.xy, 0).rgb;
}

@fragment
fn paint(@builtin(position) position: vec4<f32>) -> @location(0) vec4<f32> {
    return vec4<f32>(display(position), 1.0);
}

// Targets with an sRGB format encode what is written to them: undo that beforehand.
@fragment
fn paint_srgb(@builtin(position) position: vec4<f32>) -> @location(0) vec4<f32> {
    let c = display(position);
    let low = c / 12.92;
    let high = pow((c + 0.055) / 1.055, vec3<f32>(2.4));
    return vec4<f32>(select(high, low, c <= vec3<f32>(0.04045)), 1.0);
}
