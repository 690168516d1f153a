//! Writes the C headers with cbindgen.
//!
//! cbindgen reads a source file. It is given one that holds the declarations of the ABI and
//! nothing else, so that what it warns about is always worth an error.

use std::collections::BTreeSet;
use std::fs;
use std::sync::{Mutex, PoisonError};

use cbindgen::{Config, DocumentationStyle, Language, LineEndingStyle, SortKey, Style};
use proc_macro2::TokenStream;
use quote::{format_ident, quote};

use crate::Outcome;
use crate::abi::{Abi, Type, Variable};

/// `nrg.h`: what the shipped library offers.
pub(crate) fn ship(abi: &Abi) -> Outcome<String> {
    header(abi, false, "NRG_H", &["stddef.h", "stdint.h"], &[])
}

/// `nrg_testing.h`: what only the testing flavour offers.
pub(crate) fn testing(abi: &Abi) -> Outcome<String> {
    header(abi, true, "NRG_TESTING_H", &[], &["nrg.h"])
}

fn header(
    abi: &Abi,
    testing: bool,
    guard: &str,
    sys_includes: &[&str],
    includes: &[&str],
) -> Outcome<String> {
    let folder = tempfile::tempdir()?;
    let input = folder.path().join("abi.rs");
    fs::write(&input, declarations(abi, testing).to_string())?;

    let mut config = Config {
        language: Language::C,
        cpp_compat: true,
        include_guard: Some(guard.to_owned()),
        no_includes: true,
        sys_includes: sys_includes.iter().map(|&name| name.to_owned()).collect(),
        includes: includes.iter().map(|&name| name.to_owned()).collect(),
        usize_is_size_t: true,
        style: Style::Type,
        documentation_style: DocumentationStyle::C99,
        sort_by: SortKey::None,
        line_endings: LineEndingStyle::LF,
        line_length: 100,
        autogen_warning: Some(
            "// Generated from raft-ffi by ./build.sh bindings. Do not edit.".to_owned(),
        ),
        ..Config::default()
    };
    for name in type_names(abi) {
        config.export.rename.insert(name.clone(), snake_case(&name));
    }
    // Handles that no function of this header takes are declared all the same.
    config.export.include = abi
        .handles
        .iter()
        .map(|item| (&item.name, item.testing))
        .chain(abi.structs.iter().map(|item| (&item.name, item.testing)))
        .filter(|(_, for_tests)| *for_tests == testing)
        .map(|(name, _)| name.clone())
        .collect();

    let warnings = Warnings::collect();
    let bindings = cbindgen::Builder::new()
        .with_config(config)
        .with_src(&input)
        .generate()?;
    let mut bytes = Vec::new();
    bindings.write(&mut bytes);
    let known: BTreeSet<String> = type_names(abi).collect();
    let warnings = warnings.taken();
    // The types of nrg.h are not in the input of nrg_testing.h, which includes it.
    let unexpected: Vec<_> = warnings
        .iter()
        .filter(|text| {
            !known
                .iter()
                .any(|name| text.starts_with(&format!("Can't find {name}.")))
        })
        .collect();
    if !unexpected.is_empty() {
        return Err(format!("cbindgen: {unexpected:?}").into());
    }
    Ok(String::from_utf8(bytes)?)
}

/// The declarations of one header as Rust source.
fn declarations(abi: &Abi, testing: bool) -> TokenStream {
    let constants = abi
        .constants
        .iter()
        .filter(|item| item.testing == testing)
        .map(|item| {
            let (docs, name) = (doc_lines(&item.docs), format_ident!("{}", item.name));
            let ty = format_ident!("{}", item.what.ty.rust());
            let value: TokenStream = item.what.value.to_string().parse().unwrap_or_default();
            quote! { #(#[doc = #docs])* pub const #name: #ty = #value; }
        });
    let handles = abi
        .handles
        .iter()
        .filter(|item| item.testing == testing)
        .map(|item| {
            let (docs, name) = (doc_lines(&item.docs), format_ident!("{}", item.name));
            quote! { #(#[doc = #docs])* pub struct #name { opaque: u8 } }
        });
    let structs = abi
        .structs
        .iter()
        .filter(|item| item.testing == testing)
        .map(|item| {
            let (docs, name) = (doc_lines(&item.docs), format_ident!("{}", item.name));
            let fields = item.what.fields.iter().map(|field| {
                let (docs, variable) = (doc_lines(&field.docs), variable(field));
                quote! { #(#[doc = #docs])* pub #variable }
            });
            quote! { #(#[doc = #docs])* #[repr(C)] pub struct #name { #(#fields),* } }
        });
    let functions = abi
        .functions
        .iter()
        .filter(|item| item.testing == testing)
        .map(|item| {
            let (docs, name) = (doc_lines(&item.docs), format_ident!("{}", item.name));
            let parameters = item.what.parameters.iter().map(variable);
            let result = item.what.result.as_ref().map(|ty| {
                let ty = rust_type(ty);
                quote! { -> #ty }
            });
            quote! {
                #(#[doc = #docs])*
                #[unsafe(no_mangle)]
                pub unsafe extern "C" fn #name(#(#parameters),*) #result {}
            }
        });
    quote! { #(#constants)* #(#handles)* #(#structs)* #(#functions)* }
}

/// Comment lines as cbindgen wants them: it puts nothing between the slashes and the text.
fn doc_lines(lines: &[String]) -> Vec<String> {
    lines
        .iter()
        .map(|line| match line.as_str() {
            "" => String::new(),
            "# Safety" => " The caller guarantees:".to_owned(),
            line => format!(" {line}"),
        })
        .collect()
}

fn variable(variable: &Variable) -> TokenStream {
    let (name, ty) = (format_ident!("{}", variable.name), rust_type(&variable.ty));
    quote! { #name: #ty }
}

fn rust_type(ty: &Type) -> TokenStream {
    match ty {
        Type::Integer(integer) => {
            let name = format_ident!("{}", integer.rust());
            quote! { #name }
        }
        Type::Void => quote! { c_void },
        Type::Named(name) => {
            let name = format_ident!("{}", name);
            quote! { #name }
        }
        Type::Pointer { mutable, target } => {
            let target = rust_type(target);
            if *mutable {
                quote! { *mut #target }
            } else {
                quote! { *const #target }
            }
        }
    }
}

fn type_names(abi: &Abi) -> impl Iterator<Item = String> {
    let structs = abi.structs.iter().map(|item| item.name.clone());
    structs.chain(abi.handles.iter().map(|item| item.name.clone()))
}

/// `NrgNodeStatus` is `nrg_node_status` in C.
fn snake_case(name: &str) -> String {
    let mut out = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !out.is_empty() {
            out.push('_');
        }
        out.push(letter.to_ascii_lowercase());
    }
    out
}

/// What cbindgen says through the `log` facade, its only channel.
struct Warnings;

static TEXTS: Mutex<Vec<String>> = Mutex::new(Vec::new());

impl Warnings {
    fn collect() -> Self {
        // A second header finds the logger already set; that is the same one.
        if log::set_logger(&Self).is_ok() {
            log::set_max_level(log::LevelFilter::Warn);
        }
        TEXTS.lock().unwrap_or_else(PoisonError::into_inner).clear();
        Self
    }

    fn taken(&self) -> Vec<String> {
        std::mem::take(&mut TEXTS.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl log::Log for Warnings {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        metadata.level() <= log::Level::Warn
    }

    fn log(&self, record: &log::Record<'_>) {
        if self.enabled(record.metadata()) {
            let text = record.args().to_string();
            TEXTS
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(text);
        }
    }

    fn flush(&self) {}
}
