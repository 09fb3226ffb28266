// Package media holds the nouns with which one side describes media and
// transport to the other: payload types, header extensions, candidates,
// fingerprints. Jingle writes them as XML, colibri carries them between focus
// and bridge; the values are plain and immutable once handed over.
//
// The package parses nothing and decides nothing.
package media
