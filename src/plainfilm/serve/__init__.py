"""What a trained model does outside the laboratory: answer many films from the command line, or over HTTP. No torch."""
