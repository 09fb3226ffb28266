// Package config is plenum's one configuration: one file, one struct, the
// documentation in the struct, and defaults that run without a file.
//
// The main type is [Config]. cmd/plenum loads it with [Load], lays the command
// line's flags over it, and internal/app hands each role its section. The
// example file and the description of every key are made from the struct, so
// that they cannot disagree with it. The package reads no environment, opens
// nothing but the file it is told to read and the certificate that this names
// ([HTTP.Pair]), and keeps no global state.
package config
