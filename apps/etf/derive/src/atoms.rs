//! `derive(AtomEnum)`.

use crate::record::atom_bytes;
use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::ext::IdentExt;
use syn::punctuated::Punctuated;
use syn::{Data, DeriveInput, Fields, Ident, LitByteStr, LitStr, Token, Variant};

pub(crate) fn derive(input: DeriveInput) -> syn::Result<TokenStream> {
    let name = &input.ident;
    let label = name.unraw().to_string();
    let (mut idents, mut texts, mut firsts, mut written) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for variant in variants(&input)? {
        let all = atoms(variant)?;
        let first =
            all.first().cloned().ok_or_else(|| syn::Error::new_spanned(variant, "an atom's text is missing"))?;
        written.push(LitByteStr::new(&atom_bytes(&first)?, Span::call_site()));
        idents.push(&variant.ident);
        firsts.push(first);
        texts.push(all);
    }
    Ok(quote! {
        impl ::etf::Atoms for #name {
            const ATOMS: &'static [&'static str] = &[#(#(#texts),*),*];
            fn text(&self) -> &'static str {
                match self { #(Self::#idents => #firsts,)* }
            }
            fn of(text: &str) -> ::core::option::Option<Self> {
                match text {
                    #(#(#texts)|* => ::core::option::Option::Some(Self::#idents),)*
                    _ => ::core::option::Option::None,
                }
            }
        }
        impl ::etf::Fits for #name {
            fn fits(r: &::etf::Reader<'_>) -> bool {
                r.clone().atom().is_ok_and(|text| <Self as ::etf::Atoms>::of(&text).is_some())
            }
        }
        impl ::etf::Decode for #name {
            fn decode(r: &mut ::etf::Reader<'_>) -> ::core::result::Result<Self, ::etf::Error> {
                let text = r.atom()?;
                <Self as ::etf::Atoms>::of(&text).ok_or_else(|| r.unknown_atom(#label, &text))
            }
        }
        impl ::etf::Encode for #name {
            fn encode(&self, out: &mut ::std::vec::Vec<u8>) {
                match self { #(Self::#idents => out.extend_from_slice(#written),)* }
            }
        }
    })
}

fn variants(input: &DeriveInput) -> syn::Result<Vec<&Variant>> {
    let Data::Enum(data) = &input.data else {
        return Err(syn::Error::new_spanned(&input.ident, "AtomEnum is derived for enums"));
    };
    match data.variants.iter().find(|variant| !matches!(variant.fields, Fields::Unit)) {
        Some(variant) => Err(syn::Error::new_spanned(variant, "a variant of an AtomEnum has no fields")),
        None => Ok(data.variants.iter().collect()),
    }
}

/// The texts a variant is read from; the first is written.
fn atoms(variant: &Variant) -> syn::Result<Vec<LitStr>> {
    match variant.attrs.iter().find(|attribute| attribute.path().is_ident("atom")) {
        Some(attribute) => {
            let all = attribute.parse_args_with(Punctuated::<LitStr, Token![,]>::parse_terminated)?;
            Ok(all.into_iter().collect())
        }
        None => Ok(vec![LitStr::new(&snake_case(&variant.ident), variant.ident.span())]),
    }
}

fn snake_case(name: &Ident) -> String {
    let mut text = String::new();
    for letter in name.unraw().to_string().chars() {
        if letter.is_uppercase() && !text.is_empty() {
            text.push('_');
        }
        text.extend(letter.to_lowercase());
    }
    text
}
