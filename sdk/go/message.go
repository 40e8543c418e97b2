package weir

import (
	"time"

	"weir/internal/gen/imports/weir_filter_http"
	"weir/internal/gen/imports/weir_filter_message"
	types "weir/internal/wit/types"
)

// Origin is who says a message. All server-sent events are of the upstream.
type Origin uint8

const (
	ByClient   = Origin(toUpstream)
	ByUpstream = Origin(toClient)
)

// Content is one whole message: [Text] or [Binary] of a WebSocket, or a [*ServerEvent].
type Content interface {
	content() weir_filter_message.Content
}

// Text is a message of a WebSocket.
type Text string

// Binary is a message of a WebSocket.
type Binary []byte

// ServerEvent is one server-sent event.
type ServerEvent struct {
	// Event is the type; "" where there is none, which is "message".
	Event string
	// Data has lines, joined by line feeds.
	Data string
	// ID is what the client is to keep; nil where there is none.
	ID *string
	// Retry is until the client connects again; nil where it does not say. Rounded up to milliseconds.
	Retry *time.Duration
}

// MessageAction is the answer of Message.
type MessageAction struct {
	action weir_filter_message.MessageAction
}

var (
	// PassMessage lets the message go on as it is.
	PassMessage = MessageAction{weir_filter_message.MakeMessageActionPass()}
	// DropMessage puts nothing in its place.
	DropMessage = MessageAction{weir_filter_message.MakeMessageActionDropMessage()}
)

// ReplaceMessage puts this in place of the message: an event in place of an event, text or bytes in place of text or bytes.
func ReplaceMessage(content Content) MessageAction {
	return MessageAction{weir_filter_message.MakeMessageActionReplace(content.content())}
}

// Close closes the WebSocket, or ends the response, on both sides. The code is 1000 to 4999, of those that may be sent (RFC 6455 section
// 7.4), the reason at most 123 bytes.
func Close(code uint16, reason string) MessageAction {
	told := weir_filter_message.CloseReason{Code: code, Reason: reason}
	return MessageAction{weir_filter_message.MakeMessageActionClose(told)}
}

func (text Text) content() weir_filter_message.Content {
	return weir_filter_message.MakeContentText(string(text))
}

func (bytes Binary) content() weir_filter_message.Content {
	return weir_filter_message.MakeContentBinary(bytes)
}

func (event *ServerEvent) content() weir_filter_message.Content {
	said := weir_filter_message.ServerEvent{
		Event: types.None[string](), Data: event.Data, Id: types.None[string](), Retry: types.None[uint32](),
	}
	if event.Event != "" {
		said.Event = types.Some(event.Event)
	}
	if event.ID != nil {
		said.Id = types.Some(*event.ID)
	}
	if event.Retry != nil {
		said.Retry = types.Some(wholeMilliseconds(*event.Retry))
	}
	return weir_filter_message.MakeContentEvent(said)
}

func contentOf(content weir_filter_message.Content) Content {
	switch content.Tag() {
	case weir_filter_message.Content_Text:
		return Text(content.Text())
	case weir_filter_message.Content_Binary:
		return Binary(content.Binary())
	}
	said := content.Event()
	event := &ServerEvent{Event: orEmpty(said.Event), Data: said.Data}
	if said.Id.IsSome() {
		id := said.Id.Some()
		event.ID = &id
	}
	if said.Retry.IsSome() {
		retry := time.Duration(said.Retry.Some()) * time.Millisecond
		event.Retry = &retry
	}
	return event
}

func (guest *guest[Config, State]) OnOpen(of uint32) bool {
	defer leave()
	if guest.filter.Open == nil {
		return guest.filter.Message != nil
	}
	return guest.filter.Open(&Response{number: of}, guest.state(of))
}

func (guest *guest[Config, State]) OnMessage(
	of uint32, origin weir_filter_http.Direction, content weir_filter_message.Content,
) weir_filter_message.MessageAction {
	defer leave()
	if guest.filter.Message == nil {
		return PassMessage.action
	}
	return guest.filter.Message(&Response{number: of}, Origin(origin), contentOf(content), guest.state(of)).action
}
