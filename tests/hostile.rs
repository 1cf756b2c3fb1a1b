//! Hostile and broken images. They are made here, written to a temporary folder and opened by a second process, so that an
//! abort, a hang or a flood of memory in it is seen and does not end the tests.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use mammoscope::random::Random;
use mammoscope::study::open;

use crate::support::dicom::{
    BIG_ENDIAN, DEFLATED, Dicom, EXPLICIT, Element, HTJ2K, IMPLICIT, JPEG_2000, JPEG_BASELINE, JPEG_EXTENDED,
    JPEG_LOSSLESS, JPEG_LS, RLE, Value, bytes, claim, deflate, fragments, jpeg_lossless, pattern, prefix, rle_frame,
    sequence, text, words,
};
use crate::support::raster::{Tiff, chunk, gray_png, jpeg_head, png, zlib};

const PATTERN_J2K: &[u8] = include_bytes!("codestreams/pattern.j2k");
const PATTERN_JHC: &[u8] = include_bytes!("codestreams/pattern.jhc");
const PATTERN_JLS: &[u8] = include_bytes!("codestreams/pattern.jls");
const SMOOTH_JPG: &[u8] = include_bytes!("codestreams/smooth.jpg");

/// Where the second process finds its files.
const FOLDER: &str = "MAMMOSCOPE_TEST_HOSTILE_FOLDER";
const MOST_KILOBYTES: u64 = 500 * 1024;
/// Unoptimised code is slower; the bound that counts is that of release builds.
const MOST_MILLISECONDS: u128 = if cfg!(debug_assertions) { 5000 } else { 1000 };

/// Of every file's name: no sentence may hold it.
const PREFIX: &str = "Doe-Jane-";

/// What became of a file.
struct Outcome {
    sentence: Option<String>,
    milliseconds: u128,
    kilobytes: u64,
}

type Files = Vec<(String, Vec<u8>)>;

#[test]
fn hostile_images_are_refused_in_a_sentence() {
    let files: Files = dicom_files().into_iter().chain(codestream_files()).chain(raster_files()).collect();
    assert!(files.len() >= 40, "{} files", files.len());
    let outcomes = open_elsewhere(&files);
    for (name, _) in &files {
        let outcome = &outcomes[name];
        let sentence = outcome.sentence.as_ref().unwrap_or_else(|| panic!("{name} was opened"));
        assert!(sentence.ends_with('.') && sentence.len() > 30 && !sentence.contains('\0'), "{name}: {sentence}");
        assert!(!sentence.contains(PREFIX), "{name}: names the file");
        check_cost(name, outcome);
    }
}

#[test]
fn odd_images_are_opened_at_bounded_cost() {
    let files = harmless_files();
    let outcomes = open_elsewhere(&files);
    for (name, _) in &files {
        let outcome = &outcomes[name];
        assert!(outcome.sentence.is_none(), "{name}: {:?}", outcome.sentence);
        check_cost(name, outcome);
    }
}

#[test]
fn no_mutant_of_a_valid_image_ends_the_program() {
    let mut random = Random::new(7);
    let mut files = Files::new();
    for (name, original) in valid_files() {
        for i in 0..120 {
            files.push((format!("{name}-{i}"), mutant(&original, &mut random)));
        }
    }
    let outcomes = open_elsewhere(&files);
    for (name, _) in &files {
        check_cost(name, &outcomes[name]);
    }
}

fn check_cost(name: &str, outcome: &Outcome) {
    assert!(outcome.milliseconds < MOST_MILLISECONDS, "{name} took {} ms", outcome.milliseconds);
    assert!(outcome.kilobytes < MOST_KILOBYTES, "{name} took {} MB", outcome.kilobytes >> 10);
}

/// Opens the files in a process of its own that may not take more than 3 GB of address space.
fn open_elsewhere(files: &Files) -> HashMap<String, Outcome> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (name, content) in files {
        fs::write(folder.path().join(format!("{PREFIX}{name}")), content).expect("a file");
    }
    let program = std::env::current_exe().expect("this program");
    let output = Command::new("sh")
        .args(["-c", "ulimit -v 3000000; exec \"$0\" \"$@\""])
        .arg(program)
        .args(["hostile::opens_the_files_of_a_folder", "--exact", "--ignored", "--nocapture", "--test-threads=1"])
        .env(FOLDER, folder.path())
        .env("RAYON_NUM_THREADS", "2")
        .output()
        .expect("a second process");
    let lines = String::from_utf8_lossy(&output.stdout);
    let outcomes: HashMap<String, Outcome> = lines.lines().filter_map(parse).collect();
    let missing: Vec<&String> =
        files.iter().map(|(name, _)| name).filter(|name| !outcomes.contains_key(*name)).collect();
    assert!(
        output.status.success() && missing.is_empty(),
        "the second process ended with {} before {} files, {:?} the first\n{}",
        output.status,
        missing.len(),
        missing.first(),
        String::from_utf8_lossy(&output.stderr)
    );
    outcomes
}

/// The second process: opens each file of the folder and says what became of it.
#[test]
#[ignore = "run by the other tests of this file, in a process of its own"]
fn opens_the_files_of_a_folder() {
    let folder = std::env::var_os(FOLDER).expect("run by the other tests of this file");
    let mut files: Vec<_> = fs::read_dir(folder).expect("the folder").map(|e| e.expect("an entry").path()).collect();
    files.sort();
    check_that_memory_is_seen();
    for path in files {
        report(&path);
    }
}

fn report(path: &Path) {
    // Sets the peak back to what is used now.
    fs::write("/proc/self/clear_refs", "5").expect("Linux");
    let before = resident("VmRSS:");
    let start = Instant::now();
    let opened = open(path);
    let milliseconds = start.elapsed().as_millis();
    let kilobytes = resident("VmHWM:").saturating_sub(before);
    let sentence = opened.err().map_or(String::new(), |error| error.0);
    let name = path.file_name().expect("a name").to_string_lossy();
    println!("\noutcome\t{name}\t{milliseconds}\t{kilobytes}\t{sentence}");
}

/// The peak rises with what is touched; otherwise its bound would mean nothing.
fn check_that_memory_is_seen() {
    let before = resident("VmHWM:");
    let touched = std::hint::black_box(vec![1u8; 64 << 20]);
    assert!(resident("VmHWM:") > before + 60 * 1024, "{} bytes were not seen", touched.len());
}

fn resident(key: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find(|line| line.starts_with(key)).expect("a size");
    line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).expect("a number")
}

fn parse(line: &str) -> Option<(String, Outcome)> {
    let mut fields = line.strip_prefix("outcome\t")?.split('\t');
    let name = fields.next()?.strip_prefix(PREFIX)?.to_owned();
    let milliseconds = fields.next()?.parse().ok()?;
    let kilobytes = fields.next()?.parse().ok()?;
    let sentence = fields.next().map(str::to_owned).filter(|sentence| !sentence.is_empty());
    Some((name, Outcome { sentence, milliseconds, kilobytes }))
}

fn named(files: Vec<(&str, Vec<u8>)>) -> Files {
    files.into_iter().map(|(name, content)| (name.to_owned(), content)).collect()
}

fn plain() -> Dicom {
    Dicom::mammogram(EXPLICIT, 32, 24, &pattern(32, 24))
}

fn coded(syntax: &'static str, frame: &[u8]) -> Dicom {
    Dicom::mammogram(syntax, 32, 24, &[]).with(fragments(vec![frame.to_vec()]))
}

fn us(tag: u32, value: u16) -> Element {
    words(tag, "US", &[value])
}

/// A file whose data set is `inner` in front of the elements of a mammogram.
fn prepended(syntax: &str, inner: &[u8], rest: &Dicom) -> Vec<u8> {
    let mut file = prefix(syntax);
    file.extend(inner);
    file.extend(rest.dataset());
    file
}

/// `depth` sequences in each other, explicit, with delimiters.
fn deep_delimited(depth: usize) -> Vec<u8> {
    let open = [0x08, 0, 0x40, 0x11, b'S', b'Q', 0, 0, 255, 255, 255, 255, 0xFE, 0xFF, 0, 0xE0, 255, 255, 255, 255];
    let close = [0xFE, 0xFF, 0x0D, 0xE0, 0, 0, 0, 0, 0xFE, 0xFF, 0xDD, 0xE0, 0, 0, 0, 0];
    [open.repeat(depth), close.repeat(depth)].concat()
}

/// The same with stated lengths.
fn deep_counted(depth: u32) -> Vec<u8> {
    let mut out = Vec::new();
    for level in (0..depth).rev() {
        let item = level * 20;
        out.extend([0x08, 0, 0x40, 0x11, b'S', b'Q', 0, 0]);
        out.extend((item + 8).to_le_bytes());
        out.extend([0xFE, 0xFF, 0, 0xE0]);
        out.extend(item.to_le_bytes());
    }
    out
}

/// Deflate data of `megabytes` of zeros: one flushed block, again and again.
fn bomb(megabytes: usize) -> Vec<u8> {
    let mut compress = flate2::Compress::new(flate2::Compression::best(), false);
    let zeros = vec![0; 1 << 20];
    let mut block = Vec::with_capacity(1 << 16);
    compress.compress_vec(&zeros, &mut block, flate2::FlushCompress::Full).expect("memory");
    block.repeat(megabytes)
}

/// A deflated file whose private element claims `megabytes` and inflates to them.
fn deflated_bomb(megabytes: usize) -> Vec<u8> {
    let mut head = vec![0x09, 0, 0x10, 0x10, b'O', b'B', 0, 0];
    head.extend(((megabytes as u32) << 20).to_le_bytes());
    let mut compress = flate2::Compress::new(flate2::Compression::best(), false);
    let mut start = Vec::with_capacity(256);
    compress.compress_vec(&head, &mut start, flate2::FlushCompress::Full).expect("memory");
    [prefix(DEFLATED), start, bomb(megabytes)].concat()
}

fn dicom_files() -> Files {
    let valid = plain().file();
    let cut = |at: usize| valid[..at].to_vec();
    let rle = rle_frame(&pattern(32, 24));
    let with_rle_header = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut frame = rle.clone();
        change(&mut frame);
        coded(RLE, &frame).file()
    };
    let put = |frame: &mut Vec<u8>, at: usize, value: u32| frame[at..at + 4].copy_from_slice(&value.to_le_bytes());
    let raw_fragments = |content: &[u8]| {
        let element = Element { tag: 0x7FE0_0010, vr: *b"OB", value: Value::Claim(u32::MAX, content.to_vec()) };
        Dicom::mammogram(JPEG_LOSSLESS, 32, 24, &[]).with(element).file()
    };
    let claimed_item = [0xFE, 0xFF, 0, 0xE0, 0, 0, 0, 0, 0xFE, 0xFF, 0, 0xE0, 0, 0, 0, 0xF0, 1, 2, 3, 4];
    let big = |columns, rows| plain().with(us(0x0028_0010, rows)).with(us(0x0028_0011, columns));
    let zero_elements = [0x09, 0, 0x10, 0x10, b'U', b'S', 0, 0].repeat(260_000);
    named(vec![
        ("rle-header-of-ff", coded(RLE, &[0xFF; 1024]).file()),
        ("rle-16-segments", with_rle_header(&|frame| put(frame, 0, 16))),
        ("rle-one-segment", with_rle_header(&|frame| put(frame, 0, 1))),
        ("rle-offset-outside", with_rle_header(&|frame| put(frame, 8, 0xFFFF_0000))),
        ("rle-offset-inside-header", with_rle_header(&|frame| put(frame, 4, 8))),
        ("rle-offsets-fall", with_rle_header(&|frame| put(frame, 8, 64))),
        ("rle-ends-early", with_rle_header(&|frame| frame.truncate(100))),
        ("rle-short-header", coded(RLE, &rle[..40]).file()),
        ("nested-5000-delimited", prepended(EXPLICIT, &deep_delimited(5000), &plain())),
        ("nested-5000-counted", prepended(EXPLICIT, &deep_counted(5000), &plain())),
        ("nested-70", prepended(EXPLICIT, &deep_delimited(70), &plain())),
        ("nested-and-never-closed", prepended(EXPLICIT, &deep_delimited(60)[..60 * 20], &plain())),
        ("pixel-length-fffffffe", plain().with(claim(0x7FE0_0010, "OW", 0xFFFF_FFFE, &[0; 1536])).file()),
        ("private-length-f0000000", plain().with(claim(0x0009_1010, "OB", 0xF000_0000, &[0; 64])).file()),
        ("item-longer-than-sequence", plain().with(claim(0x0008_1140, "SQ", 8, &claimed_item[8..])).file()),
        ("bits-stored-0", plain().with(us(0x0028_0101, 0)).file()),
        ("bits-stored-32", plain().with(us(0x0028_0101, 32)).file()),
        ("bits-stored-over-allocated", plain().with(us(0x0028_0100, 8)).file()),
        ("bits-allocated-1", plain().with(us(0x0028_0100, 1)).bits(1).file()),
        ("bits-allocated-32", plain().with(us(0x0028_0100, 32)).file()),
        ("high-bit-15-of-12", plain().with(us(0x0028_0102, 15)).file()),
        ("pixel-representation-7", plain().with(us(0x0028_0103, 7)).file()),
        ("rows-0", plain().with(us(0x0028_0010, 0)).file()),
        ("columns-0", plain().with(us(0x0028_0011, 0)).file()),
        ("rows-missing", plain().without(0x0028_0010).file()),
        ("60000-by-60000", big(60_000, 60_000).file()),
        ("12000-by-8000-of-nothing", big(12_000, 8000).file()),
        ("colour", plain().with(us(0x0028_0002, 3)).with(text(0x0028_0004, "CS", "RGB")).file()),
        ("palette", plain().with(text(0x0028_0004, "CS", "PALETTE COLOR")).file()),
        ("pixels-too-short", plain().with(words(0x7FE0_0010, "OW", &[1; 700])).file()),
        ("no-pixel-data", plain().without(0x7FE0_0010).file()),
        ("cut-in-preamble", cut(130)),
        ("cut-in-meta", cut(150)),
        ("cut-in-data-set", cut(400)),
        ("cut-in-pixels", cut(valid.len() - 100)),
        ("unknown-syntax", prepended("1.2.3.4", &[], &plain())),
        ("jpeg-xl", prepended("1.2.840.10008.1.2.4.110", &[], &plain())),
        ("native-in-compressed-syntax", prepended(JPEG_LOSSLESS, &[], &plain())),
        ("compressed-in-native-syntax", coded(EXPLICIT, &rle).file()),
        ("no-fragments", raw_fragments(&[0xFE, 0xFF, 0xDD, 0xE0, 0, 0, 0, 0])),
        ("offset-table-only", raw_fragments(&claimed_item[..8])),
        ("fragment-beyond-the-file", raw_fragments(&claimed_item)),
        ("fragments-of-garbage", raw_fragments(&[7; 400])),
        ("fragments-larger-than-image", coded(JPEG_LOSSLESS, &vec![0; 2 << 20]).file()),
        ("delimiter-without-sequence", prepended(EXPLICIT, &[0xFE, 0xFF, 0xDD, 0xE0, 0, 0, 0, 0], &plain())),
        ("unknown-type", prepended(EXPLICIT, &[8, 0, 0, 0, b'U', b'L', 0, 0, 9, 0, 1, 0, b'?', b'!', 0, 0], &plain())),
        ("elements-without-end", prepended(EXPLICIT, &zero_elements, &plain())),
        ("deflate-garbage", [prefix(DEFLATED), vec![0xFF; 500]].concat()),
        ("deflate-cut", [prefix(DEFLATED), deflate(&plain().dataset())[..200].to_vec()].concat()),
        ("deflate-bomb-of-200-mb", deflated_bomb(200)),
        ("deflate-bomb-of-2-gb", deflated_bomb(2000)),
        ("big-endian-of-little", prepended(BIG_ENDIAN, &[], &plain())),
        ("dicomdir", {
            let mut file = prefix(EXPLICIT);
            let at = file.windows(4).position(|w| w == b"1.2.").expect("the class");
            file.splice(at..at + 28, b"1.2.840.10008.1.3.10\0\0\0\0\0\0\0\0".iter().copied());
            file
        }),
        ("empty", Vec::new()),
        ("text", b"This is no image at all, only a text that somebody dropped here.".to_vec()),
        ("gif", b"GIF89a\x01\0\x01\0\0\0\0".to_vec()),
    ])
}

/// A JPEG 2000 stream of the pattern's size with another main header.
fn jpeg2000(change: impl Fn(&mut Vec<u8>)) -> Vec<u8> {
    let mut stream = PATTERN_J2K.to_vec();
    change(&mut stream);
    coded(JPEG_2000, &stream).file()
}

fn codestream_files() -> Files {
    let lossless = jpeg_lossless(32, 24, &pattern(32, 24), 12);
    let set = |at: usize, value: &[u8]| {
        let value = value.to_vec();
        move |stream: &mut Vec<u8>| stream[at..at + value.len()].copy_from_slice(&value)
    };
    // Offsets in the stream: SIZ at 2, COD at 45.
    let size = [0, 0, 0xFF, 0xFF, 0, 0, 0xFF, 0xFF];
    let huge = |syntax| Dicom::mammogram(syntax, 32, 24, &[]).with(us(0x0028_0010, 9900)).with(us(0x0028_0011, 9900));
    let huge_lossless =
        [jpeg_head(0xC3, 12, 9900, 9900, 1), vec![0xFF, 0xDA, 0, 8, 1, 1, 0, 1, 0, 0, 1, 2, 3]].concat();
    let huge_baseline =
        [jpeg_head(0xC0, 8, 9900, 9900, 1), vec![0xFF, 0xDA, 0, 8, 1, 1, 0, 0, 63, 0, 1, 2, 3]].concat();
    let huge_j2k = {
        let mut stream = PATTERN_J2K.to_vec();
        let side = 9900u32.to_be_bytes();
        [8, 12, 24, 28].iter().for_each(|at| stream[*at..*at + 4].copy_from_slice(&side));
        stream
    };
    named(vec![
        ("jpeg-extended-12-bit", coded(JPEG_EXTENDED, &jpeg_head(0xC1, 12, 32, 24, 1)).file()),
        ("jpeg-other-size", coded(JPEG_LOSSLESS, &jpeg_lossless(24, 32, &pattern(24, 32), 12)).file()),
        ("jpeg-65535-in-32", coded(JPEG_LOSSLESS, &jpeg_head(0xC3, 12, 65535, 65535, 1)).file()),
        ("jpeg-colour", coded(JPEG_BASELINE, &jpeg_head(0xC0, 8, 32, 24, 3)).file()),
        ("jpeg-arithmetic", coded(JPEG_EXTENDED, &jpeg_head(0xC9, 8, 32, 24, 1)).file()),
        ("jpeg-16-bit-in-8", coded(JPEG_LOSSLESS, &lossless).with(us(0x0028_0100, 8)).bits(8).file()),
        ("jpeg-cut", coded(JPEG_LOSSLESS, &lossless[..lossless.len() / 2]).file()),
        ("jpeg-ls-cut", coded(JPEG_LS, &PATTERN_JLS[..500]).file()),
        ("jpeg-ls-garbage", coded(JPEG_LS, &[&PATTERN_JLS[..40], &[0; 600]].concat()).file()),
        ("jpeg-ls-no-scan", coded(JPEG_LS, &PATTERN_JLS[..20]).file()),
        ("jpeg-no-scan", coded(JPEG_LOSSLESS, &lossless[..60]).file()),
        ("jpeg-no-frame", coded(JPEG_LOSSLESS, &[0xFF, 0xD8, 0xFF, 0xDA, 0, 8, 1, 1, 0, 1, 0, 0, 1, 2]).file()),
        ("jpeg-garbage", coded(JPEG_LOSSLESS, &[0xA5; 700]).file()),
        ("jpeg-huge-of-nothing", huge(JPEG_LOSSLESS).with(fragments(vec![huge_lossless])).file()),
        ("jpeg-baseline-huge-of-nothing", huge(JPEG_BASELINE).bits(8).with(fragments(vec![huge_baseline])).file()),
        ("j2k-huge-of-nothing", huge(JPEG_2000).with(fragments(vec![huge_j2k])).file()),
        ("j2k-garbage", coded(JPEG_2000, &[0xFF, 0x4F, 0xFF, 0x51, 1, 2, 3, 4, 5]).file()),
        ("j2k-other-size", jpeg2000(set(8, &size))),
        ("j2k-colour", jpeg2000(set(40, &[0, 3]))),
        ("j2k-subsampled", jpeg2000(set(43, &[2, 2]))),
        ("j2k-38-bits", jpeg2000(set(42, &[37]))),
        ("j2k-tiles-of-nothing", jpeg2000(set(24, &[0; 8]))),
        ("j2k-offset", jpeg2000(set(16, &[0, 0, 0, 1]))),
        ("j2k-65535-layers", jpeg2000(set(51, &[0xFF, 0xFF]))),
        ("j2k-200-levels", jpeg2000(set(54, &[200]))),
        ("j2k-blocks-of-2^17", jpeg2000(set(55, &[15, 15]))),
        ("j2k-cut-in-header", jpeg2000(|stream| stream.truncate(60))),
        ("j2k-without-tiles", jpeg2000(|stream| stream.truncate(110))),
        ("htj2k-cut", coded(HTJ2K, &PATTERN_JHC[..120]).file()),
    ])
}

fn raster_files() -> Files {
    let values: Vec<u16> = (0..768).map(|i| i % 256).collect();
    let good_png = gray_png(32, 8, &values);
    let good_tiff = Tiff::gray(32, 24, 16).file(&[7; 1536]);
    let float = Tiff { format: 3, ..Tiff::gray(32, 24, 32) };
    let nan = f32::NAN.to_le_bytes().repeat(32 * 24);
    let huge_jpeg = |tail: &[u8]| [jpeg_head(0xC0, 8, 65535, 65535, 1), tail.to_vec()].concat();
    let wide_jpeg =
        [jpeg_head(0xC0, 8, 9000, 9000, 1), vec![0xFF, 0xDA, 0, 8, 1, 1, 0, 0, 63, 0, 1, 0xFF, 0xD9]].concat();
    let first_directory = |offset: u32| [b"II*\0".to_vec(), offset.to_le_bytes().to_vec(), vec![0; 64]].concat();
    named(vec![
        ("png-65535-squared", png(65535, 65535, 16, 0, &[vec![0; 100]])),
        ("png-2^31-squared", png(0x7FFF_FFFF, 0x7FFF_FFFF, 8, 0, &[vec![0; 100]])),
        ("png-zero-wide", png(0, 24, 8, 0, &[])),
        ("png-9000-squared-of-nothing", png(9000, 9000, 8, 0, &[vec![0; 100]])),
        ("png-cut", good_png[..good_png.len() / 2].to_vec()),
        ("png-header-only", good_png[..33].to_vec()),
        ("png-1-bit", png(32, 24, 1, 0, &vec![vec![0xA5; 4]; 24])),
        ("png-palette-of-1-bit", png(32, 24, 1, 3, &vec![vec![0xA5; 4]; 24])),
        ("tiff-65535-squared", Tiff::gray(65535, 65535, 16).file(&[0; 100])),
        ("tiff-9000-squared-of-nothing", Tiff::gray(9000, 9000, 16).file(&[0; 100])),
        ("tiff-float-nan", float.file(&nan)),
        ("tiff-palette", Tiff { photometric: 3, ..Tiff::gray(32, 24, 8) }.file(&[1; 768])),
        ("tiff-1-bit", Tiff::gray(32, 24, 1).file(&[0xA5; 96])),
        ("tiff-signed", Tiff { format: 2, ..Tiff::gray(32, 24, 16) }.file(&[1; 1536])),
        ("tiff-32-bit", Tiff::gray(32, 24, 32).file(&[1; 3072])),
        ("tiff-zero-wide", Tiff::gray(0, 24, 8).file(&[])),
        ("tiff-cut", good_tiff[..good_tiff.len() - 40].to_vec()),
        ("tiff-directory-outside", first_directory(0xFFFF_FF00)),
        ("tiff-directory-in-header", first_directory(0)),
        ("tiff-empty-directory", first_directory(8)),
        ("tiff-directory-loop", Tiff { next: 1544, ..Tiff::gray(32, 24, 16) }.file(&[7; 1536])),
        ("tiff-bigtiff-cut", b"II+\0\x08\0\0\0\x10\0\0\0\0\0\0\0".to_vec()),
        ("jpeg-file-65535-squared", huge_jpeg(&[0xFF, 0xD9])),
        ("jpeg-file-9000-squared-of-nothing", wide_jpeg),
        ("jpeg-file-cut", SMOOTH_JPG[..SMOOTH_JPG.len() - 60].to_vec()),
        ("jpeg-file-12-bit", [jpeg_head(0xC1, 12, 32, 24, 1), vec![0xFF, 0xD9]].concat()),
        ("jpeg-file-lossless-arithmetic", [jpeg_head(0xCB, 8, 32, 24, 1), vec![0xFF, 0xD9]].concat()),
        ("jpeg-file-garbage", [vec![0xFF, 0xD8, 0xFF], vec![0x5A; 900]].concat()),
        ("jpeg-file-length-0", vec![0xFF, 0xD8, 0xFF, 0xE0, 0, 0, 0, 0, 0, 0]),
    ])
}

/// Odd in a way that harms nothing.
fn harmless_files() -> Files {
    let values: Vec<u16> = (0..768).map(|i| i % 256).collect();
    let text_bomb = {
        let good = gray_png(32, 8, &values);
        let bomb = [b"Comment\0\0".to_vec(), zlib(&vec![0; 64 << 20])].concat();
        [good[..33].to_vec(), chunk(b"zTXt", &bomb), good[33..].to_vec()].concat()
    };
    let zero_bit_lut = vec![words(0x0028_3002, "US", &[2, 0, 0]), words(0x0028_3006, "OW", &[1, 2])];
    let outside = vec![us(0x6000_0010, 65535), us(0x6000_0011, 65535), bytes(0x6000_3000, "OW", &[1, 2])];
    let overlay = outside.into_iter().fold(plain(), Dicom::with);
    named(vec![
        ("voi-lut-of-0-bits", plain().with(sequence(0x0028_3010, vec![zero_bit_lut])).file()),
        ("frames-99999999", plain().with(text(0x0028_0008, "IS", "99999999")).file()),
        ("frames-not-a-number", plain().with(text(0x0028_0008, "IS", "-3e9")).file()),
        ("padding-swapped", plain().with(us(0x0028_0120, 900)).with(us(0x0028_0121, 2)).file()),
        ("window-width-nan", plain().with(text(0x0028_1050, "DS", "1")).with(text(0x0028_1051, "DS", "nan")).file()),
        ("spacing-negative", plain().with(text(0x0018_1164, "DS", "-0.1\\0")).file()),
        ("magnification-1000", plain().with(text(0x0018_1114, "DS", "1000")).file()),
        ("uid-with-path", plain().with(text(0x0008_0018, "UI", "../../../x")).file()),
        ("name-of-64-kb", plain().with(text(0x0010_0010, "PN", &"\u{202E}A^".repeat(12_000))).file()),
        ("overlay-outside", overlay.file()),
        ("nested-60", prepended(EXPLICIT, &deep_delimited(60), &plain())),
        ("bytes-after-the-pixels", [plain().file(), vec![0xFF; 5000]].concat()),
        ("png-text-bomb", text_bomb),
    ])
}

fn valid_files() -> Files {
    let values = pattern(32, 24);
    named(vec![
        ("native", plain().file()),
        ("implicit", Dicom::mammogram(IMPLICIT, 32, 24, &values).file()),
        ("deflated", Dicom::mammogram(DEFLATED, 32, 24, &values).file()),
        ("rle", coded(RLE, &rle_frame(&values)).file()),
        ("lossless", coded(JPEG_LOSSLESS, &jpeg_lossless(32, 24, &values, 12)).file()),
        ("baseline", coded(JPEG_BASELINE, SMOOTH_JPG).with(us(0x0028_0100, 8)).bits(8).file()),
        ("jpeg-ls", coded(JPEG_LS, PATTERN_JLS).file()),
        ("j2k", coded(JPEG_2000, PATTERN_J2K).file()),
        ("htj2k", coded(HTJ2K, PATTERN_JHC).file()),
        ("png", gray_png(32, 16, &values)),
        ("tiff", Tiff::gray(32, 24, 8).file(&[9; 768])),
        ("jpeg", SMOOTH_JPG.to_vec()),
    ])
}

/// The original with up to eight bytes changed, and sometimes its end cut off.
fn mutant(original: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = original.to_vec();
    // The preamble is never read.
    let start = if bytes.len() > 140 && bytes[..128].iter().all(|b| *b == 0) { 132 } else { 0 };
    for _ in 0..=random.below(8) {
        let at = start + random.below(bytes.len() - start);
        bytes[at] = if random.below(4) == 0 { 0xFF } else { random.below(256) as u8 };
    }
    if random.below(5) == 0 {
        bytes.truncate(start + random.below(bytes.len() - start));
    }
    bytes
}
