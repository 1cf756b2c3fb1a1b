// Where a fragment lies in an image; shared by the passes. Written by render/uniforms.rs.

struct View {
    // Image pixels per physical pixel to the right, and downwards.
    right: vec2<f32>,
    down: vec2<f32>,
    // A physical pixel of the target, whose image place is base + offset: split, as f32 cannot hold both finely enough.
    origin: vec2<f32>,
    offset: vec2<f32>,
    base: vec2<i32>,
    // The texture's extent in image pixels.
    size: vec2<i32>,
    // The mip level to sample, and how far towards the next one.
    level: i32,
    blend: f32,
    // Above 0: whole image pixels, not interpolated.
    blocky: f32,
    opacity: f32,
}

@group(0) @binding(0) var<uniform> view: View;

// Relative to `base`.
fn image_from_fragment(position: vec4<f32>) -> vec2<f32> {
    let d = position.xy - view.origin;
    return view.offset + d.x * view.right + d.y * view.down;
}

// One triangle over everything; the scissor cuts it.
@vertex
fn cover(@builtin(vertex_index) index: u32) -> @builtin(position) vec4<f32> {
    return vec4<f32>(f32(index & 1u) * 4.0 - 1.0, f32(index >> 1u) * 4.0 - 1.0, 0.0, 1.0);
}

// Targets with an sRGB format encode what is written to them: undo that beforehand.
fn linear_from_display(c: vec3<f32>) -> vec3<f32> {
    let low = c / 12.92;
    let high = pow((c + 0.055) / 1.055, vec3<f32>(2.4));
    return select(high, low, c <= vec3<f32>(0.04045));
}
