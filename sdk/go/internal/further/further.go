// Package further says which hooks the component exports besides those of every filter: packages of the SDK that a filter imports set
// it.
package further

var Connect, Message, Completed, Tick bool
