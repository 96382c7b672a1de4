// Package pbx is the telephone exchange.
package pbx
