package main

import (
	"strings"
	"time"

	"weir"
)

func open(response *weir.Response, state *State) bool {
	state.met("O")
	return !strings.HasPrefix(response.Request().Path(), "/ws?unseen")
}

func message(_ *weir.Response, origin weir.Origin, content weir.Content, state *State) weir.MessageAction {
	if origin == weir.ByClient {
		state.met("m")
	} else {
		state.met("M")
	}
	switch said(content) {
	case "swap":
		return weir.ReplaceMessage(other(content))
	case "drop":
		return weir.DropMessage
	case "trace":
		return weir.ReplaceMessage(weir.Text(state.trace))
	case "close":
		return weir.Close(4001, "enough")
	}
	return weir.PassMessage
}

func said(content weir.Content) string {
	switch content := content.(type) {
	case weir.Text:
		return string(content)
	case weir.Binary:
		return string(content)
	case *weir.ServerEvent:
		return content.Data
	}
	return ""
}

func other(content weir.Content) weir.Content {
	switch content := content.(type) {
	case weir.Text:
		return "not " + content
	case *weir.ServerEvent:
		if content.Event != "" {
			content.Event += "!"
		}
		content.Data = "two\nlines"
		if content.Retry != nil {
			*content.Retry += time.Millisecond
		}
		return content
	}
	return weir.Binary{'<', 0, 0xff, '>'}
}
